### Words for people, in English. `ru.ftl` has the same messages with the same parameters; a test
### compares them.

## The page

language = Language
connection-lost = The server does not answer. What you see is from the last time it did.
summary = Summary
revision = Revision
revisions = Revisions
tills-current = Tills up to date
of = { $n } of { $total }
broker = Broker
broker-consuming = connected
broker-down = not connected
as-of = As of
attention = Needs a look
tills = Tills
shop = Shop
till = Till
condition = State
has-revision = Has revision
data-age = Age of data
last-contact = Last contact
delivery = Delivery
rows = Rows
unsent = Unsent documents
no-tills = No tills yet. Add one with: cash-server node add
and-more = and { $n } more
sales-by-shift = Sales by shift
shift = Shift
opened = Opened
closed = Closed
receipts-till = Receipts on till
receipts-server = Receipts here
sum-till = Sum on till
sum-server = Sum here
check = Check
no-shifts = No sales yet.
loads = Loads
load = Load
layer = Layer
source = Source
accepted = Accepted
took = Took
status = Status
added = Added
changed = Changed
deleted = Deleted
unchanged = Unchanged
rejected = Rejected
rejected-records = Rejected records: { $n }
line = line { $n }:
seconds = { $n } s
no-loads = No loads yet.
load-progress = { $percent } % read, records: { $records }
deliveries = Deliveries
package = Package
objects = Objects
bytes = Bytes
state = State
updated = Updated
no-deliveries = No deliveries yet.
broker-blocked = takes no messages
notices = Rejects and warnings
notices-explained = They stay until somebody has seen them, or a later load has brought that very object without them.
notice-what = What
line-in-file = Line
seen = Seen
seen-all = All seen
warning = warning
reject = rejected
warnings = Warnings
warnings-of-load = Warnings: { $n }
acknowledge = Acknowledge
aside = Set aside
unknown = unknown
in-future = in the future: the till's clock

## What the server does by itself

background = What the server does by itself
background-tasks = { $n ->
    [one] { $n } task
   *[other] { $n } tasks
 }
background-failing = of them failing: { $n }
task = Task
last-run = Last run
next-run = Next in
task-fine = fine
task-new = has not run yet
task-runs = running for { $age }
task-failed = failed { $n ->
    [one] once
   *[other] { $n } times in a row
 }
task-reconciler = Bring tills what they lack
task-intake = Load dictionaries
task-intake-cleaning = Remove old files and loads
task-intake-packing = Pack loaded files
task-status-callbacks = Tell status servers of loads
task-sales-loader = Load sales into the database
task-sales-checks = Check shifts that wait for documents
task-sales-files = Sales files for the back office
task-sales-file-requests = Sales files on request
task-old-receipts = Delete old receipts
task-old-packages = Remove packages that nobody needs
task-old-deliveries = Remove old deliveries and commands
task-old-dictionary = Remove old versions of the dictionary
task-old-audit = Remove old lines of the audit log

## Ages

age-seconds = { $n } s
age-minutes = { $n } min
age-hours = { $n } h
age-days = { $n } d
for-age = for { $age }
silent-for = for { $age }
clock-ahead = clock { $age } ahead
clock-behind = clock { $age } behind

## States of tills and deliveries, checks of shifts

condition-trouble = trouble
condition-silent = silent
condition-never-heard-of = never heard of
condition-behind = behind
condition-current = up to date
condition-parked = parked
delivery-announced = announced
delivery-downloaded = downloaded
delivery-queued = in the till's queue
delivery-applied = applied
delivery-rejected = rejected
delivery-expired = expired
delivery-superseded = superseded
verdict-open = open
verdict-waiting = waiting for documents
verdict-agrees = agrees
verdict-differs = differs
condition-sales-wait = receipts do not come
sales-wait-refused = the server does not take its sales
sales-wait-tls = TLS does not come about
sales-wait-unreachable = it does not reach the sales service
sales-wait-interrupted = the stream of sales breaks
sales-wait-documents-locked = documents.db is locked
sales-wait-documents-unreadable = documents.db does not read
sales-wait-documents-missing = documents.db is gone
sales-wait-agent = the agent cannot unload
sales-wait-other = see the reason above

## What needs a look, and what to do about it

attention-silent = Silent till
todo-silent = Check the line of the shop, then the till.
attention-trouble = Till in trouble
todo-trouble = The server tries again by itself; the reason says what is in the way.
attention-shift = Finding about a shift
todo-shift = Compare the shift with the till; ask for the documents of that day with: cash-server unload.
attention-load = Load with rejects
todo-load = Correct the file and send it again.
attention-finding = Finding
todo-finding = Look into it, then close it over REST.
attention-finding-shift-differs = Shift differs
todo-finding-shift-differs = The text says on what they do not agree and what helps. Ask for that day's sales again with: cash-server unload.
attention-finding-receipt-conflict = Receipt came again with other content
todo-finding-receipt-conflict = The first one was kept. Compare both with the fiscal drive, then close it over REST.
attention-finding-numbers-again = Document numbers given out again
todo-finding-numbers-again = All of these receipts are kept and counted. Compare with the fiscal drive, then close it over REST.
attention-finding-document-refused = Document set aside
todo-finding-document-refused = Correct it in the POS or upgrade, then have the till try it again. It closes by itself when the document is taken.
attention-finding-shift-refused = Record of a shift set aside
todo-finding-shift-refused = Correct it in the POS or upgrade, then have the till try it again. It closes by itself when a good record comes.
attention-finding-shift-changed = Record of a closed shift changed
todo-finding-shift-changed = It closes by itself once till, record and server agree. Otherwise compare with the fiscal drive and close it over REST.
attention-finding-instance-changed = Another installation sends for a till
todo-finding-instance-changed = Fine if the till was set up anew or restored. Otherwise look for a second machine with its settings. It closes by itself when one machine alone has sent for a day.
attention-finding-two-machines = One till id on two machines
todo-finding-two-machines = Make a till of its own for one of the two machines and put its settings there. It closes by itself when one machine alone has sent for a day.
attention-finding-failed-logins = Logins with a wrong token
todo-finding-failed-logins = Give the till a new token (cash-server till settings --new-token) and copy it to the till, or find out who else uses its id. It closes by itself when the till has logged in.
attention-finding-spool-damaged = Damaged part of the spool
todo-finding-spool-damaged = Check the disk. The till has what was not acknowledged; ask for that day's sales again with: cash-server unload, then close it over REST.
attention-finding-spool-missing = Missing part of the spool
todo-finding-spool-missing = Ask the tills for the sales of the days that are missing with: cash-server unload, then close it over REST.
attention-disk = Disk nearly full
todo-disk = Free space below the reserve stops the intake: remove old files from the disk of the data folder, or enlarge it.
attention-sales-database = The sales database does not answer
todo-sales-database = Sales wait in the spool and are not lost. See the log; check the disk and sales.db.
attention-broker = No link to the broker
todo-broker = Check that RabbitMQ runs and that the settings under [broker] are right. The server tries again by itself; tills go on selling.
attention-broker-blocked = The broker blocks publishers: memory or disk alarm
todo-broker-blocked = Free memory or disk on the broker's machine. It goes on by itself after that.
attention-two-machines = One till id on two machines
todo-two-machines = Two machines report under this id. Make a till of its own for one of them and put its settings there; then acknowledge.
attention-claimed = Till names a revision that it did not get here
todo-claimed = Nothing speaks for the revision that it says it has: its disk comes from another server, or somebody else speaks for it. It gets everything once more by itself. If this comes again, look at the machine and upgrade its agent; then acknowledge. After this server was restored from a backup, a till with an agent of v0.1 passes that over: its own line says so, and what to do.
attention-went-back = Till went back to older data
todo-went-back = It was restored from an old image, or its disk was replaced. It is brought up to date by itself; check its last shifts, then acknowledge.
attention-background = The server fails at a task
todo-background = See below under “What the server does by itself”. It is tried again by itself; where it fails for long, look at the log.
attention-aside = Set aside
todo-aside = See below under “Set aside”: try it again or drop it.
attention-aside-unread = What is set aside cannot be listed in full
todo-aside-unread = The reason says what is in the way: check the disk and the log. The list is read again by itself.
attention-load-refused = Load refused
todo-load-refused = Nothing of it was loaded. Correct the file and send it again, or settle it below.
attention-silent-long = Silent for a day or longer
todo-silent-long = Check power, network and the agent on the till; park it while it is under repair.
attention-never-heard-of = Never heard of since it was made
todo-never-heard-of = Set the agent up on the till with its cash.ini (cash-server till settings), check what sync-agent status says there, or remove the till here.
attention-stranger = Unknown till code
todo-stranger = Somebody reports under a code that is not in the network: correct cash.code in its cash.ini, or make the till here.
attention-notices = Rejects and warnings that nobody has seen
todo-notices = See below under “Rejects and warnings”: correct the records and send them again, or mark them as seen.
attention-reports-queue = Queue of reports made otherwise
todo-reports-queue = Reports are taken from it all the same. When convenient, delete it as the message says; the server makes it anew.
attention-dictionary-log = Log of a till's dictionary grows
todo-dictionary-log = A program on the till reads dictionaries.db and never ends its transaction; each load adds to the log beside it. End that program there, or restart the POS.
attention-sales-wait = Receipts of a till do not come
todo-sales-wait = Receipts stay on the till and are not lost. Token refused: cash-server till settings --new-token, put it into its cash.ini. Otherwise look at the reason on the till: sync-agent status.
attention-clock-here = Most tills' clocks differ from this server's in the same way
todo-clock-here = This server's clock is probably wrong: set it (ntp). If it is right, set those of the tills.
attention-clock-ahead = Till's clock is ahead
todo-clock-ahead = Set it. Until then prices, discounts and sale restrictions that begin or end at a time do so too early on this till, and its receipts and shifts bear a later time.
attention-clock-behind = Till's clock is behind
todo-clock-behind = Set it. Until then prices, discounts and sale restrictions that begin or end at a time do so too late on this till, and its receipts and shifts bear an earlier time.
attention-load-held = Load held: it would take away too much
todo-load-held = See below under “Set aside”: what it would do, and the buttons for yes and no.
attention-inbox-files = Files that will never be read
todo-inbox-files = They lie in a folder of the intake: give them the right names, make the flag, or take them away.
attention-codes-alike = Codes that differ by leading zeros alone
todo-codes-alike = People and tables take them for one. They stay as they are: give one of them another code when you can (a new node, then remove the old one).

## Units that were set aside, and what a person does with them

aside-explained = These units could not be taken. Everything else goes on without them.
aside-what = What
aside-where = Where
aside-since = For
aside-why = Why
aside-here = this server
aside-package = package
aside-document = document
aside-shift = record of a shift
aside-message = message to the till
aside-units = units on the till
aside-report = report of a till
aside-stranger = unknown till code
aside-load = load
aside-sales = batch of sales
ordered-retry = told to try again; waits for the till
ordered-drop = told to drop; waits for the till
retry = Try again
drop = Drop
drop-confirm = Drop for good?
drop-warning = What is dropped cannot be brought back.
back = Back
told-failed = This could not be done
told-gone = It is not there any more
told-other-site = This request did not come from this page
told-stale-page = The page is out of date: go back and try again
aside-held = Held load
held-approve = Carry it out
held-refuse = Refuse it
aside-files = files

## Warnings

warning-entry-rejected = This entry was not taken, and what stood there before stays: { $detail }
warning-value-left-out = The value was left out: { $detail }
warning-text-cut = The text was cut. Characters: { $chars }; kept: { $max }
warning-controls-taken-out = Control characters were taken out: { $count }
warning-picture-left-out = The picture is too large and was left out. Bytes: { $count }; at most { $max } are kept
warning-negative-price = The price is below zero
warning-no-name = It has no name
warning-shared-barcode = Item { $detail } has the same barcode
warning-group-in-itself = The group is inside itself
warning-not-deleted = The deletion did not take effect: a record that may have been meant to add the object again was rejected
