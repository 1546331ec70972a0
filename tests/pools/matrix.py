"""Which libraries are run, in which environments: data."""

from typing import Final

#: Environment -> what it needs. Libraries that install together share one.
ENVIRONMENTS: Final = {
    "standard": (),
    "queues": ("apscheduler", "rq"),
}
#: Module of ``libraries`` -> its environment, in the order of the table.
LIBRARIES: Final = {
    "executors": "standard",
    "apscheduler": "queues",
    "rq": "queues",
}
