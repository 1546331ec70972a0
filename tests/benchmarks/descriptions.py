"""Descriptions of tasks: twenty intents in five wordings each, and others among which they are looked for."""

import itertools
from collections.abc import Iterator

_INTENTS = """
fix the login page that shows a blank screen after the password is entered
users see an empty white page once they sign in, repair it
signing in leads to a blank page; find out why and mend it
login broken: nothing is rendered after submitting credentials
the screen stays white when someone logs in

add retries with backoff to the payment client
make calls to the payment provider retry when they fail, waiting longer each time
payment requests should be attempted again with exponential delays
retry failed payments calls instead of giving up
implement a retry policy for the billing gateway client

speed up the slow query behind the orders list
the orders page takes eight seconds because of its SQL, optimise it
add an index so that listing orders is fast
order list is sluggish, improve database performance
make the query of the orders overview faster

write unit tests for the date parser
cover parsing of dates with tests
the module that parses timestamps has no tests, add some
increase test coverage of date parsing
tests for parse_date, including leap years and time zones

translate the user interface to German
add a German localisation of the web app
provide German strings for all UI labels
the app should be available in Deutsch as well
localise the frontend for users in Germany

upgrade the project from Python 3.9 to 3.12
move our code base to the newest Python release
migrate to Python 3.12 and fix what breaks
bump the interpreter version, 3.9 is out of support
make everything run on Python 3.12

summarize the customer interviews of last week
write a short summary of what customers said in the interviews
condense the interview transcripts into key findings
read the transcripts of the customer calls and list the main points
give me the gist of the recent customer interviews

find the memory leak in the worker process
workers grow until they are killed for lack of memory, investigate
memory usage of the background worker rises steadily; locate the cause
debug the leak that makes the worker run out of RAM
the worker's memory is never released, hunt it down

send an email to the user when an export is finished
notify people by mail once their export is ready
mail a notification on completion of exports
when the download file has been produced, the requester should get an email
export done: add email notification

remove the deprecated v1 endpoints of the API
delete the old version 1 routes from the REST interface
drop API v1, nobody uses it any more
clean up: v1 handlers of the API can go
retire the first version of our public API

review the pull request about caching of sessions
do a code review of the session cache change
look over the merge request that caches sessions
comment on the patch which introduces a cache for user sessions
check the proposed session caching for mistakes

rotate the credentials of the production database
change the password with which production connects to Postgres
replace the leaked database secret in production
new database credentials for prod, revoke the old ones
production DB password must be renewed

generate the monthly sales report as a PDF
produce a PDF with the sales figures of the month
create the report of monthly revenue, in PDF form
build last month's sales document for printing
monthly sales: make the pdf report

resolve the merge conflicts in the feature branch
the feature branch conflicts with main, rebase it and resolve
fix conflicts so that the branch can be merged
merge main into the branch and settle what conflicts
the branch cannot be merged automatically, sort it out

validate phone numbers in the sign-up form
registration should reject invalid telephone numbers
add validation of the phone field on the registration page
check that a phone number entered at sign up is well formed
the signup form accepts any text as a phone number, tighten it

make the deployment pipeline deploy to staging automatically
every push to main should be rolled out to staging by CI
automate staging deployments in the pipeline
set up continuous delivery to the staging environment
CI has to ship main to staging without manual steps

classify incoming support tickets by urgency
sort tickets of the help desk by how urgent they are
assign a priority to each new support request
label support tickets as low, medium or high priority
triage the support inbox by severity

extract invoice numbers and totals from scanned documents
read the amount and number off scanned invoices
parse invoices from images: number and total sum
get the totals out of the invoice scans
OCR the invoices and pull out amounts

the dark mode colours are unreadable, improve the contrast
fix contrast in the dark theme
text can hardly be read with the dark theme on
adjust colours of dark mode for accessibility
dark theme: letters are too dim against the background

replace the hand-written JSON parsing with pydantic models
use pydantic in place of manual parsing of JSON payloads
introduce pydantic models for request bodies
request JSON is validated by hand, let pydantic do that
model the API payloads in pydantic
"""
#: The wordings of each intent.
INTENTS = [tuple(lines.strip().splitlines()) for lines in _INTENTS.split("\n\n")]

_VERBS = (
    "fix", "write", "add", "remove", "rename", "document", "review", "refactor", "test", "migrate", "optimise", "debug",
    "replace", "split", "simplify",
)  # fmt: skip
_PARTS = (
    "the error handling of", "the configuration of", "the tests of", "the cache of", "the logging of", "the types in",
    "the database access of", "the permissions of", "the user interface of", "the memory usage of", "the startup of",
    "a summary of", "the documentation of", "the API of", "the build of", "the metrics of",
)  # fmt: skip
_THINGS = (
    "the search service", "the image uploader", "the chat widget", "the tax calculator", "the job scheduler",
    "the recommendation engine", "the audit trail", "the shipping module", "the newsletter tool", "the mobile app",
    "the feature flags", "the rate limiter", "the inventory importer", "the calendar sync", "the video player",
    "the map view", "the discount rules", "the webhook dispatcher", "the backup script", "the data warehouse",
    "the admin dashboard", "the onboarding flow", "the password reset", "the comment editor", "the payroll run",
)  # fmt: skip


def others(number: int = 1500) -> Iterator[str]:
    """Yield descriptions of other tasks, each once, which share words with each other and with the intents."""
    every = itertools.product(_VERBS, _PARTS, _THINGS)
    step = len(_VERBS) * len(_PARTS) * len(_THINGS) // number
    return (" ".join(words) for words in itertools.islice(every, 0, number * step, step))
