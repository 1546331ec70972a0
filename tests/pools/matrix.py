"""Which libraries are run, in which environments: data."""

from typing import Final

#: Environment -> what it needs. Libraries that install together share one.
ENVIRONMENTS: Final = {
    "standard": (),
    "queues": (
        "apscheduler>=3.11,<4",
        "arq",
        "celery",
        "django-tasks",
        "django-tasks-db",
        "dramatiq",
        "huey",
        "procrastinate",
        "psycopg[binary]",
        "rq",
    ),
    "taskiq": ("taskiq", "taskiq-redis"),
}
#: Module of ``libraries`` -> its environment, in the order of the table.
LIBRARIES: Final = {
    "executors": "standard",
    "apscheduler": "queues",
    "arq": "queues",
    "django_tasks": "queues",
    "huey": "queues",
    "rq": "queues",
    "taskiq": "taskiq",
}
