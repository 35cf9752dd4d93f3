### Words for people, in English. `ru.ftl` has the same messages with the same parameters; a test
### compares them.

## The page

summary = Summary
revision = Revision
revisions = Revisions
tills-current = Tills in step
broker = Broker
broker-consuming = connected
broker-down = not connected
certificate = Certificate
certificate-days = days left: { $n }
open-ports = Open without TLS
newest-backup = Newest backup
backup-none = none yet
last-rehearsal = Backup tried out
rehearsal-none = not yet
rehearsal-stood = all of it is there
attention = Needs a look
tills = Tills
shop = Shop
till = Till
condition = State
has-revision = Revision
data-age = Prices from
last-contact = Heard
delivery = Delivery
rows = Rows
unsent = Unsent
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
rejected = Rejected
rejected-records = Rejected records: { $n }
line = line { $n }:
seconds = { $n } s
no-loads = No loads yet.
load-progress = { $percent } % read, records: { $records }
package = Package
objects = Objects
bytes = Bytes
updated = Updated
no-deliveries = No deliveries yet.
broker-blocked = takes no messages
notices = Rejects and warnings
notices-explained = They stay until somebody has seen them, or a later load has brought that very object without them.
notices-open = rejected: { $rejects }, warned of: { $warnings }
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
place-chain = chain
place-group = group { $code }
place-shop = shop { $code }
unknown = unknown
in-future = in the future: the till's clock
attach-new = Attach a new till
attach-code = Code to attach
attach-till-code = Code of the till
attach-till-name = Name
attach-make = Make a code
attach-no-shops = There is no shop yet: make one with cash-server node add shop.
attach-code-of = A code to attach { $till }
attach-code-once = It is shown this once, good once and until { $until }. A code of before for this till is void now; a secret that the till has is void as soon as this code is used.
attach-on-till = On the till, as root:
stolen = Stolen or lost…
stolen-of = { $till } was stolen or lost
stolen-does = One click shuts this till out: all that its disk holds is void at once, and within five seconds its connections to the broker, to the sales service and to REST end. Codes that are open for it end too. The till is parked until the machine that takes its place is attached. A restored backup does not undo this.
stolen-is-out = { $till } is shut out: what is on its disk opens nothing any more.
stolen-thief-can = Whoever has the machine can read what is on its disk: prices, cashiers with their passwords, and the receipts that were sold on it.
stolen-thief-cannot = He cannot order other tills about, read their messages, report or send receipts for anybody, nor find out the secret of another till or of the server.
stolen-receipts = Receipts that were sold there and not handed over are on that disk and nowhere else. They are lost unless it comes back: attached with a code then, it sends them.
stolen-unsent = By its last word, { $at }, there were { $n } documents that it had not handed over; what it sold since is not known.
stolen-besides = Besides: give the cashiers new passwords in the back office, and tell the police and, for the fiscal drive, the tax office.
stolen-replacement = The machine that takes its place is attached with a code: it keeps the till's number and history, and takes the till back into service.
stolen-code = Code for the machine that takes its place
stolen-act = Shut this till out

## The pages

nav-overview = Overview
nav-tills = Tills
nav-loads = Loads
nav-goods = Goods
nav-sales = Sales
nav-findings = Findings
nav-server = Server
nav-people = People
find-till = Find a till: code, shop, name
headline-tills = { $n ->
    [one] { $n } of { $total } tills needs a look
   *[other] { $n } of { $total } tills need a look
 }
headline-problems = { $n ->
    [one] { $n } thing needs a look
   *[other] { $n } things need a look
 }
headline-fine = Nothing needs a look
headline-new = This server has no tills yet
lead-in-step = { $n } of { $total } tills have all that they should; the newest revision is { $revision }.
lead-way = A price reaches a till in { $half } s (half of them) and { $most } s (95 of 100).
show-tills = { $n ->
    [one] Show { $n } till
   *[other] Show { $n } tills
 }
look-at-it = Look at it
nothing-to-look-at = Nothing needs a look
under-way = Under way
load-of = Load, { $layer }
tills-on-the-way = { $n ->
    [one] { $n } till gets newer data
   *[other] { $n } tills get newer data
 }
to-revision = to revision { $revision }
runs-now = runs now
nothing-under-way = Nothing is being loaded or sent.
of-total = of { $total }
receipts-today = Receipts today
price-to-till = Price to till, 95 of 100
half-of-them = half in { $n } s
nothing-went-out = nothing went out today
unsent-documents = { $n ->
    [one] { $n } document waits on a till
   *[other] { $n } documents wait on tills
 }
loads-today = Loads today
in-this-hour = { $n } in this hour
lately-day = The last 24 hours
lately-week = The last 7 days
lately-slot-day = Hour
lately-slot-week = Day
lately-table = The same as a table
plot-receipts = Receipts
plot-way = From price to till: half of them (filled) and 95 of 100
plot-loads = Loads
plot-none-receipts = No receipts.
plot-none-way = Nothing went out to tills.
plot-none-loads = No loads.
way-told = half in { $half }, 95 of 100 in { $most }
half-column = Half of them, s
most-column = 95 of 100, s
on-tills = { $n ->
    [one] on { $n } till
   *[other] on { $n } tills
 }
filter = Filter
code-shop-name = Code, shop or name
all-shops = All shops
all-groups = All groups
all-versions = All versions
group = Group
filter-do = Filter
filter-clear = Show all
filter-more = More filters
filter-silent = Silent for minutes, at least
filter-behind = Behind by revisions, at least
filter-unsent = Unsent documents, at least
choose-all-shown = Choose all that are shown
choose-till = Choose till { $till }
pages = Pages
page-before = ← Before
page-after = Next →
rows-of = { $first }–{ $last } of { $total }
tills-found = { $n } of { $total } tills match.
tills-all = { $n ->
    [one] { $n } till, those that need a look first.
   *[other] { $n } tills, those that need a look first.
 }
no-tills-found = No till matches.
needs-a-look = needs a look
agent = Agent
clock = Clock
clock-right = right
clock-seconds = Clock, seconds ahead
name = Name
should-have = Should have
reason-to-wait = Why it waits
id = Id
bulk-of = Which tills
bulk-chosen = Chosen
bulk-all = All that match: { $n }
bulk-do = Do something with them
bulk-act-park = Park
bulk-act-unpark = Back into service
bulk-act-ask = Ask for sales
bulk-act-recount = Recount
bulk-ask-park = { $n ->
    [one] Park { $n } till?
   *[other] Park { $n } tills?
 }
bulk-ask-unpark = { $n ->
    [one] Take { $n } till back into service?
   *[other] Take { $n } tills back into service?
 }
bulk-ask-ask = { $n ->
    [one] Ask { $n } till for sales?
   *[other] Ask { $n } tills for sales?
 }
bulk-ask-recount = { $n ->
    [one] Have { $n } till recount its dictionary?
   *[other] Have { $n } tills recount their dictionaries?
 }
bulk-means-park = A parked till raises no alarm, is sent nothing, and the day closes without it. It goes on selling what it has.
bulk-means-unpark = They are brought what they lack, and raise alarms again.
bulk-means-ask = Each sends the finished documents that this server does not have yet.
bulk-means-recount = Each counts every row of its dictionary and compares with what it should have; what differs is sent anew by itself.
bulk-already = { $n ->
    [one] { $n } is so already.
   *[other] { $n } are so already.
 }
bulk-silent = { $n ->
    [one] { $n } is silent: the order waits for it.
   *[other] { $n } are silent: the order waits for them.
 }
bulk-none = No till is chosen. Tick some in the list, or take all that match.
bulk-too-many = At most { $n } tills at once: narrow the filter, and do the rest after.
bulk-result = What becomes of it
bulk-does = will be done
bulk-same = is so already
bulk-waits = waits for the till
bulk-done = done
bulk-under-way = was on its way already
bulk-failed = failed
bulk-failed-for = { $n ->
    [one] It failed for { $n } of { $total } tills
   *[other] It failed for { $n } of { $total } tills
 }
bulk-did-park = { $n ->
    [one] { $n } till is parked now.
   *[other] { $n } tills are parked now.
 }
bulk-did-unpark = { $n ->
    [one] { $n } till is back in service.
   *[other] { $n } tills are back in service.
 }
bulk-did-ask = { $n ->
    [one] { $n } till was asked for sales.
   *[other] { $n } tills were asked for sales.
 }
bulk-did-recount = { $n ->
    [one] { $n } till was told to recount.
   *[other] { $n } tills were told to recount.
 }
back-to-tills = Back to the tills
till-named = Till { $till }
till-now = Now
timeline = What happened
till-is-never-heard-of = It was made { $age } ago and was never heard of.
till-is-silent = Nothing was heard of it for { $age }. It sells with revision { $revision }, if it runs.
till-is-current = It sells with the newest prices, revision { $revision }.
till-is-behind = It sells with revision { $revision }; revision { $target } is on its way.
till-is-parked = It is under repair: it is sent nothing and raises no alarm.
till-is-sales-wait = Its receipts do not come. They stay on it and are not lost.
till-is-trouble = It does not get what it should have.
till-waits = Why: { $why }.
till-unsent = { $n ->
    [one] { $n } finished document waits on it.
   *[other] { $n } finished documents wait on it.
 }
till-code-open = A code to attach it is open until { $until }.
code-end = End the code
is-newest = the newest
last-receipt = newest receipt here: { $at }
till-has-no-secret = without a secret
digest = digest
in-its-queue = in its queue: { $n }
dictionary-log = log of the dictionary: { $n } MiB
made-at = made { $at }
nothing-aside-there = Nothing lies aside on this till.
nothing-aside = Nothing is set aside.
aside-act = What to do
event-delivery-announced = Told of revision { $to } (from { $from })
event-delivery-downloaded = Downloaded revision { $to } (from { $from })
event-delivery-queued = Queued revision { $to } (from { $from })
event-delivery-applied = Revision { $to } applied (from { $from })
event-delivery-rejected = Revision { $to } rejected (from { $from })
event-delivery-expired = No answer to revision { $to } (from { $from })
event-delivery-superseded = Revision { $to } (from { $from }) gave way to a newer one
package-of = objects: { $objects }, bytes: { $bytes }
within = within { $age }
event-order-unload = Asked for sales
event-order-verify = Told to recount
event-order-state = Asked how it is
event-order-retry = Told to try again what lies aside
event-order-drop = Told to drop what lies aside
command-waiting = waits
command-sent = sent
command-running = runs
command-done = done
command-failed = failed
command-refused = refused
command-expired = no answer
receipts-came = { $n ->
    [one] { $n } receipt
   *[other] { $n } receipts
 }
closed-since = closed since
event-made = Made
event-heard = Heard of for the first time
event-back = Back after a silence
event-two-machines = Two machines report under its id
event-went-back = Went back to older data
event-claimed = Named a revision that it did not get here
event-silent = Silent since
did-node-create = Made
did-node-rename = Renamed
did-node-move = Moved
did-node-remove = Removed
did-till-park = Parked
did-till-unpark = Taken back into service
did-till-token = Got a new secret
did-till-stolen = Shut out as stolen or lost
did-till-attach = Attached with a code
did-attach-code-make = A code to attach it was made
did-attach-code-end = Its code was ended
did-till-unload = Sales asked for
did-till-verify = Recount asked for
did-till-acknowledge = Acknowledged
did-till-go-past = Revisions go on after the one it names
did-aside-retry = Somebody had it try again what lies aside
did-aside-drop = Somebody had it drop what lies aside
findings-explained = What the server found that a person should look at, the weightiest first, each with what to do about it.
all-of-them = all
loads-explained = What back offices have handed over, what of it was rejected, and what is on its way to tills.
what-changed = What changed
load-counts = { $added } added, { $changed } changed, { $deleted } deleted
load-unchanged = { $n } as before
last-loads = Last loads
load-number = no. { $n }
load-queued = waits for its turn
load-running = is being loaded
load-ready = loaded
load-ready-with-errors = loaded, with rejects
load-held = held
load-error = refused
load-titled = Load { $n }
load-rejected = { $n ->
    [one] { $n } record rejected
   *[other] { $n } records rejected
 }
nothing-changed = nothing changed
tills-have-it = Tills that have it
of-tills = { $n } of { $total }
rejects-and-warnings = Rejected, and warned of
nothing-rejected = nothing was rejected
last-deliveries = Last deliveries to tills
sales-explained = Each shift with what the till counted and what is here; the newest first.
disk-free = Free on the disk
mib = { $n } MiB
disk-reserve = nothing is taken in below { $n } MiB
none-open = none
backup-trouble = fails
attach-explained = A code attaches the machine to the network: it gets its settings and its secret by it.
to-the-till = To the till
nav-network = Network
level-chain = chain
level-group = group
level-shop = shop
node-below = Shops: { $shops }. Tills: { $tills }, of them in step: { $current }.
shop-below = Tills: { $tills }, of them in step: { $current }.
agents-of-tills = Agents of tills
node-look = { $n ->
    [one] { $n } needs a look
   *[other] { $n } need a look
 }
show-all-tills = Show the tills
tree = Groups
groups-and-shops = Groups and shops
shops = Shops
all-in-step = all in step
nothing-wrong = nothing wrong
no-tills-there = no tills
nothing-below = Nothing hangs here yet.
change-here = Change
node-add = Add
node-level = What
node-code = Code
node-parent = Under
node-rename = Rename
node-move = Move
node-move-under = Under
node-move-means = A move changes what the tills below it sell: the goods and prices of the new place.
node-remove = Remove
node-remove-ask = Remove { $node }?
node-has-below = { $n ->
    [one] { $n } node hangs below it: move or remove it first.
   *[other] { $n } nodes hang below it: move or remove them first.
 }
till-remove-means = Its secret is void at once. It goes on selling what it has, and its receipts are not taken any more. For a machine that is replaced, make a code instead.
node-remove-means = What its layer says is kept with its history, and reaches nobody any more.
import = Take over from CSV
import-explained = One line a node: level (group, shop, till), code, parent, name. Parents come before what hangs under them and are named as folders: All, group-north, shop-7. Nothing is made before you have seen what would be.
import-file = File
import-table = or the table itself
import-preview = Show what would be made
import-ask = { $n ->
    [one] Make { $n } node?
   *[other] Make { $n } nodes?
 }
import-do = { $n ->
    [one] Make { $n } node
   *[other] Make { $n } nodes
 }
import-done = { $n ->
    [one] { $n } node is made
   *[other] { $n } nodes are made
 }
import-counts = There already: { $same }. Wrong: { $wrong }.
import-makes = will be made
import-made = made
import-same = is there already
import-wrong = wrong
import-too-many = At most { $n } lines at once: divide the table.
import-unreadable = this line is no line of CSV
import-no-level = the level is group, shop or till
import-no-code = a code has 1 to 20 Latin letters, digits, - and _
import-no-parent = no such parent, here or in the lines before
import-wrong-parent = it cannot hang there: groups and shops hang under the chain or a group, tills under a shop
import-elsewhere = it is there, but under another parent: move it
finding-close = Close
finding-note = Note: what was found
units-chosen = Chosen
units-drop-ask = { $n ->
    [one] Drop { $n } unit for good?
   *[other] Drop { $n } units for good?
 }
units-none = Nothing is chosen that can be dropped.
units-result = What came of it
choose-unit = Choose { $unit }
units-did = { $n ->
    [one] { $n } unit was settled
   *[other] { $n } units were settled
 }
units-failed = { $n ->
    [one] It failed for { $n } unit
   *[other] It failed for { $n } units
 }

## What the server does by itself

task-certificates = Renew certificates
task-backup = A backup a day
task-backup-rehearsal = Unpack a backup and compare
task-backup-peers = List of tills beside the backups
task-reconciler = Bring tills what they lack
task-intake = Load dictionaries
task-intake-cleaning = Remove old files and loads
task-intake-packing = Pack loaded files
task-broker-logins = Logins of tills at the broker
task-till-connections = End connections of tills whose token is void
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
task-goods-names = Read the names of goods, to find them by words
task-watchdog = Tell the service manager that the server lives

for-age = for { $age }

## Sales: receipts, totals, asking again
sales-tab-shifts = Shifts
sales-tab-receipts = Receipts
sales-tab-totals = Totals
range-today = Today
range-week = 7 days
range-month = 30 days
range-from = From
range-to = To
till-as-typed = Till, as 7-1
no-shifts-found = No shift matches.
receipts = Receipts
receipts-explained = The newest first. Where you name no days: one week, up to today or to the newest receipt.
receipt = Receipt
receipt-number = Number
ended-at = Time
cashier = Cashier
cashier-code = Cashier's code
no-cashier = without a cashier
lines = Lines
discount = Discount
sum = Sum
payment = Payment
document-type = Document
all-documents = All documents
all-payments = All payments
receipt-sort-sale = Sales
receipt-sort-refund = Returns
receipt-sort-other = Others
sum-least = Sum, at least
sum-most = Sum, at most
item-code-or-barcode = Item: code, barcode or words of its name
card-ends = Card, last digits
no-receipts-found = No receipt matches.
receipts-none-yet = None down to { $at } by the tills' clocks: that far this search looked.
receipts-stopped = This search looked as far as { $at }.
look-further = Look further →
page-first = ← To the first page
csv-is-cut = There are more: narrow the filter.
receipts-of-day = Receipts of that day
receipt-came = Came here at { $at }.
receipt-no = No. { $n }
shift-number = shift { $n }
receipt-returns = Return of receipt { $of }
back-reason = Reason
line-refund = return
mark-scanned = mark
receipt-no-lines = No lines
voided = Voided
sum-before = Before discount
receipt-total = TOTAL
receipt-total-refund = TO RETURN
vat = VAT
change = Change
gift-certificate = Gift certificate
coupon = Coupon
payment-failed = Did not come about
customer-card = Card
fiscal-number = Fiscal number
fiscal-identifier = Fiscal sign
receipt-names-explained = Names of goods are those that the till has now: a receipt comes with their codes.
payment-cash = cash
payment-card = bank card
payment-other = payment of type { $n }
doctype-sale = Sale
doctype-refund = Return
doctype-cash-in = Cash in
doctype-cash-out = Cash out
doctype-cancelled-refund = Cancelled return
doctype-cancelled-sale = Cancelled sale
doctype-other = Document of type { $n }
totals = Totals
totals-explained = Sales less returns, by the tills' clocks. Where you name no days: one week, up to today or to the newest receipt.
totals-by = Totals by
totals-by-day = Day
totals-by-hour = Hour
totals-by-shop = Shop
totals-by-till = Till
totals-by-cashier = Cashier
totals-by-payment = Payment
chart-of-totals = Sales less returns
chart-highest = The highest bar: { $sum }.
sales = Sales
refunds = Returns
sum-of-sales = Sum of sales
sum-of-refunds = Sum of returns
sum-net = Sales less returns
average-sale = Average sale
totals-all = Together
no-totals = Nothing was sold on these days.
show-sales = Sales
ask-days = Ask the tills again
ask-days-explained = The tills that are chosen above send all documents of these days once more. What is here already changes nothing and does not count twice.
bulk-act-ask-days = Ask for these days
bulk-ask-ask-days = { $n ->
    [one] Ask { $n } till for the sales from { $from } to { $to } again?
   *[other] Ask { $n } tills for the sales from { $from } to { $to } again?
 }
bulk-means-ask-days = Each sends all finished documents of these days. What is here already changes nothing and does not count twice.
bulk-did-ask-days = { $n ->
    [one] { $n } till was asked for these days.
   *[other] { $n } tills were asked for these days.
 }

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

attention-silent = Silent
todo-silent = Check the line of the shop, then the till.
attention-trouble = Do not get what they should
todo-trouble = The server tries again by itself; the reason says what is in the way.
attention-shift = Finding about a shift
todo-shift = Compare the shift with the till; ask for the documents of that day with: cash-server unload.
attention-load = Loads with rejects
todo-load = Correct the file and send it again.
attention-finding = Finding
todo-finding = Look into it, then close it.
attention-finding-shift-differs = Shift differs
todo-finding-shift-differs = The text says on what they do not agree and what helps. Ask for that day's sales again with: cash-server unload.
attention-finding-receipt-conflict = Receipt came again with other content
todo-finding-receipt-conflict = The first one was kept. Compare both with the fiscal drive, then close it.
attention-finding-numbers-again = Document numbers given out again
todo-finding-numbers-again = All of these receipts are kept and counted. Compare with the fiscal drive, then close it.
attention-finding-document-refused = Document set aside
todo-finding-document-refused = Correct it in the POS or upgrade, then have the till try it again. It closes by itself when the document is taken.
attention-finding-shift-refused = Record of a shift set aside
todo-finding-shift-refused = Correct it in the POS or upgrade, then have the till try it again. It closes by itself when a good record comes.
attention-finding-shift-changed = Record of a closed shift changed
todo-finding-shift-changed = It closes by itself once till, record and server agree. Otherwise compare with the fiscal drive and close it.
attention-finding-instance-changed = Another installation sends for a till
todo-finding-instance-changed = Fine if the till was set up anew or restored. Otherwise look for a second machine with its settings. It closes by itself when one machine alone has sent for a day.
attention-finding-two-machines = One till id on two machines
todo-finding-two-machines = Make a till of its own for one of the two machines and put its settings there. It closes by itself when one machine alone has sent for a day.
attention-finding-failed-logins = Logins with a wrong token
todo-finding-failed-logins = Give the till a new token (cash-server till settings --new-secret) and copy it to the till, or find out who else uses its id. Of a till that was stolen, this is the address where its machine is. It closes by itself when the till has logged in.
attention-finding-trespass = A till tries what is not its own
todo-finding-trespass = An agent does no such thing: somebody uses this till's token, or its agent is broken. Each try was refused. Look who is at the till; where the machine is gone, press "Stolen or lost", else give it a new secret (cash-server till settings --new-secret). Close the finding then.
attention-finding-spool-damaged = Damaged part of the spool
todo-finding-spool-damaged = Check the disk. The till has what was not acknowledged; ask for that day's sales again with: cash-server unload, then close it.
attention-finding-spool-missing = Missing part of the spool
todo-finding-spool-missing = Ask the tills for the sales of the days that are missing with: cash-server unload, then close it.
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
todo-background = See the page “Server”. It is tried again by itself; where it fails for long, look at the log.
attention-certificate-ends = A certificate ends soon, or is not valid yet
todo-certificate-ends = Our own are renewed by themselves: look at the log, and at this machine’s clock. One that somebody else made is to be replaced in its files (tls.cert, tls.key); it is taken up within a minute.
attention-aside = Set aside
todo-aside = Look under “Set aside”: try it again or drop it.
attention-aside-unread = What is set aside cannot be listed in full
todo-aside-unread = The reason says what is in the way: check the disk and the log. The list is read again by itself.
attention-load-refused = Load refused
todo-load-refused = Nothing of it was loaded. Correct the file and send it again, or settle it under “Set aside”.
attention-silent-long = Silent for a day or longer
todo-silent-long = Check power, network and the agent on the till; park it while it is under repair.
attention-never-heard-of = Never heard of since it was made
todo-never-heard-of = Set the agent up on the till with its cash.ini (cash-server till settings), check what sync-agent status says there, or remove the till here.
attention-stranger = Unknown till code
todo-stranger = Somebody reports under a code that is not in the network: correct cash.code in its cash.ini, or make the till here.
attention-notices = Rejects and warnings that nobody has seen
todo-notices = Look under “Rejects and warnings” on the page “Loads”: correct the records and send them again, or mark them as seen.
attention-reports-queue = Queue of reports made otherwise
todo-reports-queue = Reports are taken from it all the same. When convenient, delete it as the message says; the server makes it anew.
attention-dictionary-log = Log of a till's dictionary grows
todo-dictionary-log = A program on the till reads dictionaries.db and never ends its transaction; each load adds to the log beside it. End that program there, or restart the POS.
attention-forged = Somebody writes in a till's name
todo-forged = Messages in its name come without its code, beside its own. They change nothing. Find out who writes to the broker, and change the broker's passwords; if the till's disk may be in other hands, give the till a new secret: cash-server till settings --new-secret, put it into its cash.ini.
attention-refused-by-till = A till gets orders that are not this server's
todo-refused-by-till = They come without the code of this server and are not carried out. Find out who writes to the broker, and change the broker's passwords. If all orders of this server are among them, the till has another secret: give it a new one (cash-server till settings --new-secret).
attention-other-secret = A till's secret is not the server's
todo-other-secret = None of its messages is taken: its prices stay as they are, its receipts wait on it. Give it a new secret: cash-server till settings --new-secret, put it into its cash.ini, restart the agent.
attention-attach-tries = Somebody tries codes to attach tills
todo-attach-tries = Twenty tries within a day came from whoever does not know a code. They are slowed, use up no code, and learn nothing. Find out who that is; mistyped codes are told in the log too.
attention-password-tries = Somebody tries passwords
todo-password-tries = Twenty times within a day somebody came with a wrong password, or with a token that is no till's. None was let in. If it is not an old password in a back office or a script, find out who it is.
attention-versions = Agents of a version that does not fit
todo-versions = Agents and servers of neighbouring minor versions work together. Upgrade the older of the two, the server first.
attention-no-secret = Tills without a secret
todo-no-secret = Their messages have no codes: whoever writes to the broker can order them about. Upgrade their agents, then give each a secret: cash-server till settings <till> --new-secret, put it into its cash.ini in place of cash.token, restart the agent.
attention-plain-open = Ports are open without TLS
todo-plain-open = Passwords, prices and receipts can be read on the way to them. Close each (set it to false) once all that use it speak TLS: tills do so by themselves, except those with an agent of v0.1 and those without a secret.
attention-sales-wait = Receipts of a till do not come
todo-sales-wait = Receipts stay on the till and are not lost. Token refused: cash-server till settings --new-secret, put it into its cash.ini. Otherwise look at the reason on the till: sync-agent status.
attention-clock-here = Most tills' clocks differ from this server's in the same way
todo-clock-here = This server's clock is probably wrong: set it (ntp). If it is right, set those of the tills.
attention-clock-ahead = Till's clock is ahead
todo-clock-ahead = Set it. Until then prices, discounts and sale restrictions that begin or end at a time do so too early on this till, and its receipts and shifts bear a later time.
attention-clock-behind = Till's clock is behind
todo-clock-behind = Set it. Until then prices, discounts and sale restrictions that begin or end at a time do so too late on this till, and its receipts and shifts bear an earlier time.
attention-load-held = A load waits for a yes or a no
todo-load-held = Look under “Set aside”: what it would do, and the buttons for yes and no.
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
aside-held = Held load
held-approve = Carry it out
held-refuse = Refuse it
aside-files = files

## error.txt, which a producer of dictionary files reads

error-file = file: { $file }
error-not-loaded = not loaded: { $why }
error-more-files = … and { $n ->
    [one] { $n } more file that was not loaded
   *[other] { $n } more files that were not loaded
}
error-rejected = rejected records: { $n }
error-aside = set aside on the server: { $file }
error-advice = what to do: { $advice }
error-more = … and { $n } more
error-warnings = warnings about records that are loaded: { $n }
error-place = line { $line }, byte { $byte }
error-field = field `{ $field }`
error-value = value `{ $value }`

### Reasons: each kind that is stored or passed has its message `why-<kind>`.

## Why records are rejected

why-ends-in-record = the input ends in the middle of a record
why-ends-in-separator = the input ends in the middle of a separating line
why-ends-before-line = the input ends before the closing line `{ $line }`
why-ends-before-sign = the input ends before the closing `{ $sign }`
why-foreign-input = { $input ->
    [utf16] the input is UTF-16; write it as UTF-8
    [zeros] the input is no text: it begins with a zero byte, as a file that was cut by a power failure
    [gzip] the input is packed with gzip; hand it over unpacked
    [zstd] the input is packed with zstd; hand it over unpacked
   *[zip] the input is a zip archive; hand it over unpacked
}
why-not-an-array = the body is not a JSON array of commands
why-text-after-array = text follows the end of the array
why-not-utf8 = not UTF-8 at line { $line }, byte { $byte }
why-not-json = not JSON at line { $line }, byte { $byte }: { $fault ->
    [no-comma-or-brace] expected `,` or `{"}"}`
    [no-name] expected the name of a field in double quotes
    [no-colon] expected `:`
    [no-comma-or-bracket] expected `,` or `]`
    [no-digit] expected a digit
    [no-brace] expected `{"{"}`
    [no-bracket] expected `[`
    [too-deep] nested too deeply
    [not-finite] NaN and Infinity are not JSON: leave the field out, or write null
    [number-too-large] a number is too large for readers of JSON
    [control] a control character in a string must be written as an escape
    [no-end-of-string] a string has no end
    [no-hex-digits] expected four hex digits after `\u`
    [wrong-escape] a wrong escape in a string
    [half-character] half of a surrogate pair in a string: it is no character
    [twice] a field comes twice in one object (names compare without regard to case)
    [text-follows] text follows the end of the record
   *[no-value] expected a value
}
why-record-too-large = the record is larger than { $max } bytes
why-too-many-entries = the record has more than { $max } entries in its lists: hand it over in parts
why-field-twice = field `{ $field }`: a field comes twice in one object (names compare without regard to case)
why-not-an-object = the record is not a JSON object
why-no-command = `command` is missing
why-command-not-text = `command` is not a text
why-unknown-verb = unknown verb `{ $verb }`
why-no-payload = payload `{ $payload }` is missing
why-payload-not-object = payload `{ $payload }` is not a JSON object
why-no-key-field = key field `{ $field }` is missing
why-entry-not-object = expected an object
why-no-array-of-objects = field `{ $field }`: expected objects in an array
why-wrong-value = field `{ $field }`: `{ $value }` is not { $expected ->
    [text] a text
    [code] a code
    [whole-number] a whole number
    [flag] true, false, 0 or 1
    [number] a number
    [date] a date YYYY-MM-DD
    [time] a time YYYY-MM-DDTHH:MM:SS
    [days-or-time] a number of days or a time YYYY-MM-DDTHH:MM:SS
   *[value] a value
}
why-too-many-decimals = field `{ $field }`: `{ $value }` has more than { $digits ->
    [one] { $digits } digit
   *[other] { $digits } digits
} after the point
why-too-many-digits = field `{ $field }`: `{ $value }` has more than { $digits ->
    [one] { $digits } digit
   *[other] { $digits } digits
} before the point
why-number-too-large = field `{ $field }`: `{ $value }` is too large
why-wrong-days = field `{ $field }`: `{ $value }` is not a number of days up to { $max }
why-too-long = field `{ $field }`: `{ $value }` has { $chars ->
    [one] { $chars } character
   *[other] { $chars } characters
}, at most { $max } are allowed
why-too-many-bytes = field `{ $field }`: the value has { $bytes } bytes, at most { $max } are allowed
why-not-a-list = field `{ $field }`: `{ $value }` is not a list
why-separator-in-key = field `{ $field }`: a key must not hold U+001F

## Warnings about records that are taken

why-entry-rejected = this entry was not taken, and what stood there before stays: { $reason }
why-value-left-out = the value was left out: { $reason }
why-text-cut = the text has { $chars ->
    [one] { $chars } character
   *[other] { $chars } characters
} and was cut to { $max }
why-controls-taken-out = { $count ->
    [one] { $count } control character was taken out
   *[other] { $count } control characters were taken out
}
why-picture-left-out = the picture has { $bytes } bytes and was left out; at most { $max } are kept
why-negative-price = the price is below zero
why-no-name = it has no name
why-shared-barcode = item { $other } has the same barcode
why-group-in-itself = the group is inside itself
why-not-deleted = the deletion did not take effect: a record that may have been meant to add the object again was rejected

## Loads

why-several = { $reasons }
why-nothing-cleared = some records could not be used, and of at least one nobody can say which object it was to add: of these kinds nothing was deleted that the load does not name, although it clears them: { $kinds }
why-deletions-left-out = { $count ->
    [one] { $count } deletion
   *[other] { $count } deletions
} did not take effect, since a record that may have been meant to add the object again was rejected; lines of these deletions: { $lines }
why-refused = the whole load is refused: { $reason }
why-refused-for-encoding = the whole load is refused: { $reason }
why-refused-at-first-reject = the whole load is refused at its first broken record (stop on error)
why-damaged-input = the input is { $encoding }, but damaged or cut at byte { $byte }: write it anew
why-other-encoding = the input is not UTF-8, it looks like { $looks_like } (byte { $byte } is the first that shows it): write it as UTF-8, or name its encoding in the server's settings (intake.encoding)
why-not-its-encoding = the input is not { $encoding }, as the server's settings say (intake.encoding), it looks like { $looks_like } (byte { $byte } is the first that shows it): correct the one or the other
why-unknown-encoding = the input is not { $encoding }, and in no other encoding that the server knows by its bytes (byte { $byte } is the first that shows it): write it as UTF-8
why-held = held, nothing is changed: { $reasons }. If it is meant so, say yes with `cash-server loads approve { $load }`, on the server's page, or with the word `approve` in the flag of a new delivery; the same file again changes nothing
why-would-delete = it would delete { $deleted } of { $before } { $objects }
why-would-delete-more = it would delete as much of { $kinds ->
    [one] { $kinds } more kind
   *[other] { $kinds } more kinds
}
why-too-many-rejects = { $rejected } of its { $records } records cannot be used
why-some-rejected = some records could not be used; the others are loaded
why-some-warned = all records are loaded; some hold what a person should know of
why-no-room = the disk of { $folder } has { $free } bytes left: { $need } are needed and { $reserve } are kept free (server.disk_reserve_mib); free space on it, the server goes on by itself
why-never-room = the disk of { $folder } has { $size } bytes in all, of which { $reserve } are kept free (server.disk_reserve_mib): { $need } are needed, which never fit
why-kills-server = the server did not live through { $starts ->
    [one] { $starts } load
   *[other] { $starts } loads
} of this file
why-defect = the server has a defect that this file brought to light; its log has the details
why-unreadable = the data file cannot be read: { $detail }
why-rewritten = the file was changed or replaced while it was read
why-interrupted = { $detail }
why-database-refuses = the server's database does not take it: { $detail }
why-database-fails = the server's database does not work: { $detail }
why-wrong-flag = { $detail }
why-no-data-file = there is a flag, but no data file of the same name
why-still-written = the data file was still being written { $seconds ->
    [one] { $seconds } second
   *[other] { $seconds } seconds
} after its flag was there
why-tried-again = { $reason }; it is tried { $times ->
    [one] { $times } more time
   *[other] { $times } more times
}
why-node-is-gone = { $node } is no longer in the network
why-not-put-aside = { $reason }; it cannot be put aside either, and waits: see the server's log
why-written-on = the file was written on after it was loaded as load { $load } and removed; what was written then is not loaded; the whole file is kept
why-written-on-and-lost = the file was written on after it was loaded as load { $load } and removed; what was written then is not loaded, and cannot be kept: { $detail }
why-vanished = its file or its flag went away before it was loaded: nothing was changed
why-report-lost = the server stopped before the report was complete; what was rejected is not known
why-carried-out = carried out as load { $load }
why-replaced = not carried out: load { $load } is newer and begins with the same { $clears }
why-handed-over-anew = not carried out: its file was handed over anew
why-refused-by-person = refused by a person

## Folders of the intake, and what lies in them

why-folder-of-two = two nodes have this folder name; name other folders for them in the settings, at intake.folders, by their ids
why-folder-of-gone-node = the settings give it to { $node }, which is not in the network
why-inbox-itself = files go into one of its folders: All for the whole chain, group-<code>, shop-<code> or till-<shop>-<code>
why-folder-of-nobody = no node of the network has the folder name `{ $folder }`: make the node, or use the folder of another; the file is loaded as soon as the node is there
why-no-flag = a data file without a flag is not read: make the flag (`pos1.flz` for `pos1.aif`), or remove the file
why-no-data = a flag without its data file: write the data file, then make the flag anew, or remove what is left of it
why-other-name = only data files `pos….aif` and their flags `pos….flz` are read: give it such a name, or take it away
why-no-node = the folder belongs to no node of the network

## What a producer can do about a delivery

why-free-space = free space on the server's disk; leave data file and flag as they are, they are loaded then
why-close-before-flag = close the data file before its flag is made
why-look-at-server = look at the server's log and at its disk; leave data file and flag as they are, they are loaded as soon as the database takes them
why-hand-over-in-parts = hand the file over in parts, or give the server a larger disk; then make the flag again
why-ask-support = send the file to whoever supports the server
why-ask-support-or-correct = send the file to whoever supports the server; hand a corrected one over
why-rename-then-flag = write the data file to another name, rename it, then make the flag; write nothing to it afterwards
why-give-rights = give the server's user the right to read the file and to write to its folder, then make the flag again
why-look-whether-whole = look whether the file is whole: hand a whole one over, or say yes; until then it stays under its name
why-correct-and-flag = correct the file and make its flag again; until then it stays under its name, not loaded
why-correct-records = correct the records named here and hand the file over again; what is right already is not sent twice
why-right-folder = move data file and flag to the right folder, or remove them
why-plain-flag = make the flag as an empty regular file
why-data-before-flag = write the data file first, the flag after it: `pos1.aif`, then `pos1.flz`
why-write-under-other-name = close a data file before its flag is made, and write nothing to it afterwards; look at what was kept, then load it with `cash-server aside retry`, or drop it

## Units that were set aside

why-unnamed = the till does not name { $units ->
    [one] it
   *[other] them
}
why-no-till-of-ours = { $till } is no till of this network; reports: { $reports }

## Findings of sales

why-shift-differs = shift { $shift } does not agree: { $reasons }; { $advice }
why-receipt-conflict = receipt { $number } of shift { $shift } came again with other content; the first one was kept: compare both with the fiscal drive, and close this
why-numbers-again = document number { $number } of shift { $shift } came again with another identity: the till was restored from an old image, or its POS counted anew; all of these receipts are kept and counted: compare with the fiscal drive, and close this
why-document-refused = document { $number } of shift { $shift } was set aside: { $detail }; once the POS or an upgrade has mended it, have the till try again what it set aside: this closes when the document is taken
why-record-refused = a record was set aside: { $detail }; once the POS or an upgrade has mended it, have the till try again what it set aside: this closes when the document is taken
why-shift-refused = the record of shift { $shift } was set aside: { $detail }; once the POS or an upgrade has mended it, have the till try again what it set aside: a good record closes this
why-shift-changed = the record of shift { $shift }, closed { $closed }, came again with other figures: sales { $sales_before } for { $sale_sum_before } before, { $sales } for { $sale_sum } now; refunds { $refunds_before } for { $refund_sum_before } before, { $refunds } for { $refund_sum } now; the newer one was taken: this closes by itself once till, record and server agree; otherwise compare with the fiscal drive, and close this
why-instance-changed = the till's agent has a new state (instance { $instance } after { $before }): it was set up anew, restored, or its settings were copied to a second machine; if nobody did the former, look for the second machine; this closes by itself when one machine alone has sent for a day
why-two-machines = the till's id is used from two machines at the same time (instances { $instance } and { $refused }); the second was refused: make a till of its own for one of the two and put its settings there; this closes by itself when one machine alone has sent for a day
why-failed-logins = a wrong token for this till, so far { $times } since the server started, the last from { $from }; its receipts do not come while its token is wrong: give it a new one (`cash-server till settings { $till } --new-secret`) and copy `cash.token` to it, or find out who else uses its id
why-till-at-administration = its token was shown where administrators alone may come, so far { $times } since the server started, the last from { $from }
why-till-in-others-name = its token was shown in the name of { $other }, so far { $times } since the server started, the last from { $from }
why-till-out-of-place = its token was shown where there is nothing for a till, so far { $times } since the server started, the last from { $from }
why-till-broke-protocol = its stream of sales was ended because it broke the protocol ({ $detail }), so far { $times } since the server started, the last from { $from }
why-till-floods = it reported more than { $most } times within a minute, and was put out at the broker for a minute; so far { $times } since the server started
why-batch-aside = a batch of sales could not be loaded and lies aside, where it can be put back: { $detail }
why-spool-cut = the last { $bytes ->
    [one] { $bytes } byte
   *[other] { $bytes } bytes
} of the spool were no whole record when the server started and are in its folder `aside`: after a power cut that is what was never acknowledged; else the disk lost something, and the tills should be asked for the sales of that day again
why-spool-damaged = { $bytes ->
    [one] { $bytes } byte of the spool was damaged on disk and is
   *[other] { $bytes } bytes of the spool were damaged on disk and are
} in its folder `aside`: receipts may be missing; ask the tills for the sales of that day again
why-spool-missing = the sales database is loaded up to { $loaded } of the spool, and the spool begins at { $begins }: the database was lost or put back from a backup, or files of the spool were deleted; what the tills still have comes again with their next reconciliation, or ask them for these days

## Checks of shifts

why-among-three = { $measure ->
    [sales] sales
    [refunds] refunds
    [sale_sum] sum of sales
    [refund_sum] sum of refunds
    [documents] documents
   *[unfinished] unfinished documents
}: till { $till }, shift record { $recorded }, server { $server } ({ $by })
why-among-two = { $measure ->
    [sales] sales
    [refunds] refunds
    [sale_sum] sum of sales
    [refund_sum] sum of refunds
    [documents] documents
   *[unfinished] unfinished documents
}: till { $till }, server { $server } ({ $by })
why-on-till = { $measure ->
    [sales] sales
    [refunds] refunds
    [sale_sum] sum of sales
    [refund_sum] sum of refunds
    [documents] documents
   *[unfinished] unfinished documents
}: till { $till }
why-numbers-missing = { $count ->
    [one] { $count } document number missing
   *[other] { $count } document numbers missing
}: { $numbers }
why-numbers-twice = numbers used twice: { $numbers }
why-left-open = it is still open, and nothing of it has come for { $hours } hours
why-without-record = its documents { $numbers } came without the record of their shift
why-ask-for-record = they are kept, counted and handed over as they are; ask the till for the sales of that day again: the record of the shift comes with them, and closes this
why-close-shift = its documents are kept, counted and handed over as they are; if the till is there, close the shift at it; if it is gone for good, close this by hand
why-ask-for-receipts = look at the page and at `sync-agent status` for what keeps its receipts on the till, and ask the till for the sales of that day again; this closes by itself once all agree
why-finish-documents = finish or cancel the open documents at the till; this closes by itself once they came up
why-compare-numbers = the till was restored from an old image, or its POS counted anew: compare with the fiscal drive, and close this
why-compare-missing = the till has no documents of these numbers: compare with the fiscal drive, and close this
why-compare-record = all receipts of the till are here: compare the record of the POS with the fiscal drive, and close this

## What tills wait for, and how deliveries and commands end

why-up-to-date = its dictionary is up to date
why-parked = parked, up to date
why-parked-behind = parked, behind its target
why-on-its-way = { $state ->
    [announced] announced
    [downloaded] downloaded
    [queued] queued
   *[other] { $state }
}; renewed if nothing is heard before { $until }
why-no-answer = no answer since a link went out at { $since }; what is newer is sent when the till is heard of, or at { $until }
why-rejected-by-till = rejected by the till ({ $reason }); tried again at { $until }
why-rejected-unsaid = rejected by the till; tried again at { $until }
why-still-differs = the till has this revision, everything was sent whole, and its rows still differ from the server's: check whether the versions of agent and server fit; sent again at { $until } or with the next load
why-nothing-for-it = the till has a dictionary and this server has none for it: load one, or restore the server's backup
why-about-to-announce = a package is about to be announced
why-waits-for-broker = waits for the broker: nothing can be sent to it now
why-broker-down = waits for the broker: nothing can be sent to it now ({ $reason })
why-calls-too-often = it has called for more than { $packages } packages within minutes; look at the machine
why-no-decision = this server cannot decide what to do for it
why-passes-over = its agent passes over what is to take the place of revision { $claimed }, which nothing here speaks for: upgrade its agent, or, where this server was restored from a backup, have it go on after that revision: `cash-server till go-past { $till } { $claimed }`
why-seen-by-cursor = the till's cursor shows it
why-ended-by-parking = the till is parked
why-nothing-needed = the till needs nothing more
why-nothing-heard = nothing was heard of it before its deadline
why-newer-delivery = a newer delivery took its place
why-new-secret = the till has a new secret since
why-names-nothing = it names nothing: what a person has not seen is not dropped
why-no-answer-in-time = no answer before the deadline

## `cash-server setup`

setup-ask-host = Name or address under which tills reach this server (empty: the address that this machine uses)
setup-ask-name = What people call this server
setup-ask-admin = Administrator of the page
setup-settings = Settings: { $file }
setup-broker = The broker has a user for the server, which makes each till a login of its own there.
setup-broker-tls = Tills speak TLS with the broker, on port { $port }. Its plain port is for this machine alone.
setup-broker-plain = Tills speak TLS with the broker, on port { $port }. Its plain port { $plain } is open as before, for tills that came in before: once all speak TLS, cash-server broker setup --close-plain closes it.
broker-setup-by-hand = As root on the broker's machine; where a password is asked for, it is the first line of { $file }:
setup-backup-key = The key that opens backups, shown this once: { $key }. Keep it apart from this machine: without it nobody opens them. (`cash-server backup key` prints it as long as this machine lives.)
setup-page = The page: { $page } User and first password: { $file } Whoever forgets the password: cash-server user password <login>
setup-start = Start the server now: there is no systemd here.

## The server's databases

why-database-not-opened = the database { $place } cannot be opened: { $detail }
why-database-newer = the database { $place } has schema { $found }, this program knows up to { $known }: upgrade cash-server, or restore the backup made before the upgrade
why-database-not-ours = this user may not write to the database { $place }: run this as { $owner }, whose file it is ({ $detail })
why-database-damaged = the database { $place } is damaged ({ $detail }): stop the server, then restore it from a backup; packages.db can be moved away, the server makes it anew
why-database-full = the disk of the database { $place } is full: free space on it, the server goes on by itself ({ $detail })
why-database-takes-not = the database { $place } does not take the data: { $detail }
why-database-unreadable = a value in the database { $place } cannot be read: { $detail }
why-database-query-failed = the database { $place } does not work: { $detail }
why-database-corrupt = the database { $place } does not hold what it should: restore it from a backup ({ $reason })

## Changes of the network

why-unknown-node = there is no node `{ $text }` in the network: look it up with `cash-server node list`
why-wrong-level = { $level ->
    [chain] the chain
    [group] a group
    [shop] a shop
   *[till] a till
} (code { $code }) cannot hang under { $parent }: groups and shops hang under the chain or a group, tills under a shop
why-node-in-itself = { $node } cannot move under { $parent }, which is below it: move { $parent } out first
why-code-taken = the code { $code } is taken: { $by } has it; choose another code, or remove that { $level ->
    [chain] chain
    [group] group
    [shop] shop
   *[till] till
} first ({ $level ->
    [till] codes of tills are unique in their shop
   *[other] codes of shops and groups are unique in the chain
})
why-wrong-code = `{ $code }` is no code for a new node: 1 to { $max } Latin letters, digits, `-` and `_`
why-code-alike = the code { $code } differs from the code of { $by } by leading zeros alone, and people and tables take the two for one: choose another code, or use that node
why-node-has-children = { $node } has { $children ->
    [one] { $children } node
   *[other] { $children } nodes
} below it: move or remove them first
why-chain-stays = { $node } is the chain, the root of the network: it cannot be removed
why-wrong-name = `{ $name }` is not a name of a node: at most { $max } characters, without line breaks
why-load-under-way = a load is being written and cannot give way, and a move has to wait for it: try again in a few seconds
why-too-many-codes = { $max } codes to attach tills are kept, which is the most: wait until older ones are forgotten
why-wrong-code-life = a code is good for 1 to { $max } hours
why-attach-needs-tls = tills are attached over TLS 1.3 alone
why-attach-versions = the agent is of version { $own }, this server of { $server }: only neighbouring minor versions work together; upgrade the older of the two, the server first
why-attach-slow-down = many tries came from this address: wait for { $seconds } s
why-attach-wrong-proof = this proof is not taken
why-attach-other-till = the code is for { $till }, and { $own } comes with it
why-attach-till-gone = the till that the code was made for was removed: ask for a new code
why-attach-till-password = the file of broker.till_password_file cannot be read: { $detail }
why-attach-code-used = the code was used already, at { $at }: ask for a new one
why-attach-code-ended = the code ended at { $at }: ask for a new one
why-code-used-now = the code was used or ended just now

## What was asked for and cannot be done

why-may-not = { $actor } may not do this
why-may-not-there = { $actor } may not do this at { $node }
why-no-till = { $node } is no till: name one by id or as till-<shop>-<code>
why-only-tills-park = { $node } is no till: only a till can be parked
why-no-shop = { $node } is no shop: name one by id or as shop-<code>
why-unknown-kind = there is no kind `{ $objects }`; see docs/formats/kinds.md
why-unknown-load = there is no load { $load }, or it is older than loads are kept
why-unknown-good = there is no good with the code `{ $code }`: look for it by barcode or name
why-unknown-change = revision { $revision } changed nothing of the good `{ $code }` that is known here
why-no-open-finding = there is no open finding { $finding }
why-no-receipt = there is no receipt { $receipt }: it has not come, or was deleted for its age
why-too-many-tills-at-once = one request is about at most { $max } tills: narrow the choice, and do the rest after
why-too-many-codes-at-once = one request makes at most { $max } codes: ask for the rest by itself
why-peer-key-not-kept = the key of the till's messages cannot be kept: ask for a new secret once more ({ $detail })
why-object-unreadable = the dictionary has an object that cannot be read: { $detail }
why-object-not-written = an object of the dictionary cannot be written: { $detail }
why-no-node-of-dictionary = there is no node { $node } in the network
why-unknown-till = there is no till { $till } in the network
why-nothing-named = nothing is dropped on { $till } that is not named: what a person has not seen must not go
why-not-claimed = { $till } does not name revision { $revision } without anything that speaks for it: look at its `claimed_cursor` again
why-no-dictionary-for-till = this server has no dictionary for { $till }: load one, or restore the backup that has it
why-too-far-past = revision { $revision } is so far beyond revision { $head } of this server that no backup lost so much: upgrade the till's agent, or set the till up anew
why-command-not-written = the command cannot be written: { $detail }
why-exchange-cut-off = the server broke this off: try again
why-control-in-cash-ini = { $key } of the till's cash.ini holds a control character: correct the server's settings
why-cash-ini-not-written = the till's cash.ini cannot be written: { $detail }

## Trying again and dropping what was set aside

why-not-aside = { $id } is not set aside (any more)
why-drops-by-name = { $id } names no unit: units are dropped by their names, which the till tells as those before them are settled
why-only-beginning-kept = of { $id } only the beginning is kept, since it is very long: it can only be dropped
why-settled-by-hand = { $id }: files in a folder of the intake are settled where they lie: give them the right names, or remove them
why-sales-apart = the sales-loader runs as a process of its own: what is set aside there cannot be settled here
why-load-not-aside = load { $load } is none that was refused and is kept
why-load-file-gone = the file of load { $load } is gone: { $file }
why-load-without-node = { $node }, for which load { $load } was meant, is no longer in the network
why-load-is-held = load { $load } is held: carry it out with `cash-server loads approve { $load }`, or refuse it
why-load-not-held = load { $load } is not held (any more)
why-load-held-too-long = load { $load } was held so long ago that nobody knows what is newer than it: hand a new file over
why-no-room-for-load = load { $load } waits for room: { $reason }
why-load-not-settled = the file of load { $load } cannot be copied or removed: { $detail }
why-sales-not-aside = nothing of the name { $unit } lies aside: it was put back or dropped in the meantime, or the oldest made room
why-sales-damaged = { $unit } is no whole batch, since the disk damaged it: it can only be dropped; ask the tills for that day again
why-sales-not-put-back = { $unit } cannot be put back and stays aside: { $reason }
why-sales-loader-ends = the server is stopping or failed; try again later

## Why documents of tills are refused; fields are named as sales.proto has them

why-document-without-key = the document has no key
why-document-of-no-till = the till in the key of the document is none
why-document-without-uuid = the UUID of the document has { $bytes ->
    [one] { $bytes } byte
   *[other] { $bytes } bytes
} in place of 16
why-document-of-no-shift = the shift of the document was opened at a time that is none
why-document-of-other-till = it belongs to till { $till }, and came from till { $stream }
why-document-number-too-large = `{ $field }` { $value } is above { $max }
why-amount-beyond-belief = `{ $field }` { $value } is beyond ±{ $max }
why-too-many-parts = { $count } `{ $parts }`, at most { $max } are taken
why-text-too-long = `{ $field }` has { $bytes } bytes, at most { $limit } are taken
why-not-a-time = `{ $field }` `{ $value }` is not a time YYYY-MM-DDTHH:MM:SS

## Why reports of tills and parts of the spool are set aside

why-not-a-report = this is not a report: { $detail }
why-newer-report = a report of { $peer } has version { $schema }, which this server does not know: upgrade the server
why-unknown-report = { $peer } sends a report of the kind `{ $sort }`, which this server does not know: upgrade the server, then try it again
why-report-too-large = the message has { $bytes } bytes, the largest report { $max }
why-report-of-shop = a report of the server of { $shop }: this server takes reports of tills alone
why-report-without-code = kept without its code, so that nobody knows whether it is of { $peer }: its next report says the same
why-report-stumbled-over = the report of { $till } brought out a defect of this server
why-wrong-checksum = a checksum in the spool does not hold: the disk gave back other bytes than were written
why-torn-tail = a torn tail: it was being written when the server stopped
why-batch-unreadable = this does not read as a batch of sales: { $detail }
why-batch-of-nobody = it names no till and shop: `{ $till }`, `{ $shop }`
why-batch-ended-server = the server ended each time that it loaded this, { $times ->
    [one] { $times } time
   *[other] { $times } times
}
why-batch-refused = tried { $times ->
    [one] { $times } time
   *[other] { $times } times
} in vain: { $reason }
why-loading-panicked = loading sales broke off ({ $said }); this is a defect of the server

## What the server fails at

why-package-for-nobody = there is no till { $till } in the network: it was removed, or its agent has the id of another server's till
why-package-not-built = the package for { $till } to revision { $to } cannot be built: { $detail }
why-package-inconsistent = the package for { $till } cannot be built: the log of the dictionary does not fit its layer; restore dictionary.db from a backup ({ $reason })
why-dictionary-restless = the dictionary changed again and again while a package for { $till } was planned; it is tried again
why-no-room-for-package = the package for { $till } is not built now: { $reason }
why-package-files = the files of packages cannot be read or written: { $detail }
why-spool-in-use = the spool { $path } is in use by another process
why-spool-newer = the part { $path } of the spool has version { $version }, this program reads up to { $supported }: upgrade it
why-spool-aside-full = { $path } is full of batches that could not be loaded ({ $units } of { $bytes } bytes): put them back or drop them, on the page or with `cash-server aside`; until then nothing more is loaded
why-spool-fails = the spool { $path } cannot be read or changed: { $detail }
why-spool-full = the spool of the server is full: { $bytes } of { $limit } bytes wait for its database; try again later
why-no-room-for-spool = the disk of the server's spool is nearly full: { $free } bytes are free, and { $needed } are kept for what was accepted before; free space on it, then sales are taken again by themselves
why-batch-too-large = a batch of { $bytes } bytes is larger than any may be
why-spool-not-written = the spool of the server cannot be written: { $detail }
why-handover-fails = sales cannot be handed over in { $path }: { $detail }
why-handover-not-written = the sales of till { $till } cannot be written as JSON: { $detail }
why-no-thread-to-pack = there is no thread that packs: { $detail }
why-not-packed = a kept file cannot be packed: { $detail }
why-packing-panicked = packing broke off; this is a defect of the server, its log says more
why-old-files-stay = old files cannot be removed: { $detail }
why-cleaning-fails = { $faults }

## The link to the broker

why-broker-unconnected = there is no connection to the broker
why-broker-silent = the broker did not answer within { $seconds } s
why-broker-queue-full = the broker refused the message for { $queue }: the queue is full
why-broker-blocks = the broker takes no messages: { $reason }
why-broker-without-queue = the broker has no queue { $queue }
why-broker-refuses-queue = the broker refuses the queue { $queue } ({ $detail }); if it was made with other arguments, delete it (`rabbitmqctl delete_queue { $queue }`), and the server makes it anew
why-broker-of-other-server = another server works at virtual host { $vhost } of this broker: { $other } (this one is { $own }). Both would take each other's reports: give this server a virtual host of its own (broker.vhost). If the other one is gone for good, delete its mark (`rabbitmqctl delete_queue --vhost { $vhost } { $queue }`), and this one goes on by itself
why-broker-management-password-unread = the file with the password for the broker's management interface cannot be read: { $detail }
why-broker-management-silent = the broker's management interface at { $url } does not answer: { $detail }; is the plugin rabbitmq_management enabled?
why-broker-management-refuses-password = the broker's management interface does not take the password of user { $user } in { $file }
why-broker-management-refuses-user = the broker's management interface refuses user { $user }: `rabbitmqctl set_user_tags { $user } administrator` lets it make logins of tills
why-broker-management-refuses = the broker's management interface refuses { $path } with { $status }: { $said }
why-broker-password-unread = the file with the broker's password cannot be read: { $detail }
why-broker-authority-unread = who may have signed the broker’s certificate cannot be read (broker.authority): { $detail }
why-broker-fails = the broker or the line to it fails: { $detail }
why-broker-session-ended = the session with the broker ended
why-server-stops = the server stops
why-broker-ended-consumer = the broker ended the consumer of reports
why-broker-session-panicked = the session with the broker broke off; this is a defect of the server, its log says more
why-consumer-not-counted = reports are not consumed any more: the broker counts no consumer of the queue
why-reports-held-back = reports are not consumed any more: they wait in the queue, and the broker hands none over
why-broker-needs-password = the broker refuses user { $user } without a password: name a file that has it (broker.password_file)
why-broker-refuses-password = the broker refuses user { $user } with the password in the first line of { $file }: correct one of the two (broker.password_file); `rabbitmqctl change_password { $user } …` sets that of the broker
why-broker-refuses-vhost = user { $user } does not get into virtual host { $vhost } (broker.vhost, broker.user): { $detail }
why-broker-not-there = no broker at { $host }:{ $port } (broker.host, broker.port): { $detail }

## Requests that cannot be answered

why-no-credentials = a login and password are needed, or a key; those of the first administrator stand in the server's file credentials/admin
why-from-other-site = another site had a browser send this: nothing was done
why-nobody-asks = nobody is known to ask
why-other-user = `{ $user }` may not do this: do it as root, or as `{ $owner }`, the user who runs this server
why-wrong-token = the token is not that of { $till }: put the one made with the till into cash.secret of its cash.ini, or make a new one
why-package-needs-token = packages are given to tills alone: show the till's token, or ask with the whole link that the till was told
why-package-of-another = this link is for another till, for another package, or of another server: a till gets what was announced to it
why-link-over = this link has ended: the till is told another one, unless it is parked
why-no-till-id = `{ $text }` is not an id of a till: expected `_cash_<code>_<8 hex digits>`
why-long-nonce = the nonce is longer than { $max } characters
why-no-level = `{ $text }` is no level: group, shop or till
why-no-code = `{ $text }` is not a code of a node: 1 to 32 Latin letters, digits, `-`, `_` or `.`
why-no-verdict = `{ $text }` is no verdict: open, waiting, ok or differs
why-no-totals-by = totals are by day, hour, shop, till, cashier or payment, not by `{ $text }`
why-no-such-filter = `{ $text }` does not read as { $filter }: days are YYYY-MM-DD, times YYYY-MM-DDTHH:MM, sums 99.90, numbers plain digits
why-names-no-notices = name notices in `ids`, or all up to a number in `up_to`
why-names-no-units = name 1 to { $max } units in `units`
why-names-nothing-aside = `{ $text }` names nothing that can be set aside: take the name from the list
why-since-or-days = give either `since`, or `from` and perhaps `to`, or nothing
why-only-tls = from other machines this port takes requests over TLS alone: ask with https://; where that cannot be yet, the operator opens it with { $setting } = true
why-cut-off = the server broke this off; its log says more ({ $detail })

## What was done about what was set aside

why-till-was-told = the till was told
why-tried-once-more = tried again
why-queued-as-load = queued as load { $load }
why-dropped = dropped

## Goods

goods-explained = Find a good by its barcode, its code or words of its name.
goods-find = Barcode, code or name
goods-find-do = Find
goods-behind = Names of new goods are still being read: words may not find all of them yet. Barcodes and codes do.
goods-cut = There is more: look for less.
goods-none = No goods are loaded yet.
goods-none-found = Nothing is found. Fewer words, or the beginning of a word, find more.
good-code = Code
good-with-code = Code { $code }
good-sold = { $tills ->
    [one] Sold on { $tills } till
   *[other] Sold on { $tills } tills
 } { $shops ->
    [one] in { $shops } shop.
   *[other] in { $shops } shops.
 }
good-not-sold = No till sells it.
good-stale = { $n ->
    [one] { $n } till still has an old price.
   *[other] { $n } tills still have an old price.
 }
good-unknown = { $n ->
    [one] Of { $n } till it is not known what it has.
   *[other] Of { $n } tills it is not known what they have.
 }
show-them = Show them
barcodes = Barcodes
price = Price
price-now = Price now
price-by = Where it comes from
price-where = Where
price-coming = Coming prices
price-none-coming = No other price is known for later.
price-from = Price from
price-to = Price to
price-from-time = Holds from
price-dates = Holds
price-until = until { $until }
priced-by-item = item
priced-by-barcode = barcode
priced-by-document = price by document
document-of-type = document { $number }, type { $sort }
good-layers = What each layer says
good-layers-explained = The deepest layer that says something wins. Of prices by document, one of the barcode goes before one of the item, then the higher type, then the later date.
says = Says
loaded-at = Loaded
wins-on-tills = Tills that sell by it
price-history = Every change of the price
price-old = Price before
price-new = Price after
price-brought-by = Brought by
price-changes-newest = Newest changes
price-changes-older = Older changes
price-no-changes = No change of the price is known.
price-history-cut = Older changes are left out.
at-once = at once
tills-have-change = Tills that have it
change-on-tills = Tills with the change of revision { $revision }
till-has-since = has it since { $at }
till-has-it = has it
till-has-not = does not have it yet
stale-tills = Tills that still have an old price
price-on-till = Price on the till
price-should-be = Should be
price-will-be = Will be
till-price = Price of a barcode, now
till-price-do = Show
till-price-explained = What this till sells a barcode at, by the revision that it proved to have.
till-price-unknown = It is not known what this till has
till-price-old = an old price
till-price-none = Neither this till nor the layers it sees know { $barcode }.
till-sells-not = not sold
barcode-or-code = Barcode or code

## The command line

cli-yes = yes
cli-no = no
cli-silent = a server runs and does not answer at { $socket }: it may be starting; try again
cli-unsettled = { $failed } of { $total } could not be settled
cli-faults = the settings have faults
cli-no-faults = { $place }: no faults
cli-nothing-aside = nothing is set aside
cli-goods-more = There are more: --after { $next }
cli-notices-seen = notices marked as seen: { $n }
cli-renamed = { $node } is now called { $name }
cli-moved = { $node } hangs under { $parent } from revision { $revision } on
cli-hangs-there = { $node } hangs under { $parent } already
cli-removed = removed { $node }
cli-parked = parked { $till }
cli-unparked = unparked { $till }
cli-code-alike = code like that of { $nodes }
cli-load-approved = load { $load } is carried out as load { $again }: `cash-server loads show { $again }`
cli-load-refused = load { $load } is refused; nothing was changed
cli-acknowledged = acknowledged what was found about { $till }
cli-went-past = every till should have revision { $revision } now; { $till } gets everything
cli-ordered = ordered; `cash-server commands` shows what becomes of { $command }
cli-under-way = the same request is under way already
why-server-unreachable = the server does not answer at { $socket }: is it running? ({ $detail })
why-server-not-allowed = this user may not ask the server: do it as root, or as the user who runs it ({ $socket })
why-server-refuses = the server answers { $status }: { $detail }
why-answer-unreadable = the server's answer cannot be read, it may be of another version: { $detail }
why-answer-broken-off = the server's answer broke off: { $detail }
why-connection-not-prepared = the connection to the server cannot be prepared: { $detail }
why-threads-not-prepared = the system gives no threads: { $detail }
why-already-running = already running: process { $holder } works on { $folder }; stop that one first, or use another data folder
why-data-not-locked = the data folder cannot be locked: { $detail }
cli-attach-code = On the till { $till }, as root, until { $until }: sync-agent attach { $server } { $code }
cli-stolen = { $till } is shut out: what is on its disk opens nothing any more, and within five seconds its connections end. Receipts that it had not handed over are on that disk alone. It is parked until the machine that takes its place is attached: cash-server attach-code for { $till }
cli-attach-code-ended = { $till } has no open code any more

## Backups

why-backup-key-fails = the key of backups: { $detail }
why-backup-not-read = { $path } cannot be read: { $detail }
why-backup-not-written = { $path } cannot be written: { $detail }
why-backup-of-other-key = this key does not open { $path }: take the one of the server that made it ({ $detail })
why-backup-needs-key = { $path } is encrypted: name the file with the server's key (--key-file)
why-backup-damaged = { $path } is damaged: { $detail }; take another backup
why-no-backup = there is no backup yet
why-backup-place-of-other = { $path } belongs to another server: each needs a folder or prefix of its own (backup.dir, backup.s3_prefix)
why-backup-store-settings = the settings of the store do not do: { $detail }
why-backup-store-denies = the store does not let this server do this at { $path }: look at backup.s3_key_file and the rights of that key ({ $detail })
why-backup-no-bucket = there is no bucket for { $path }: make it, or name another one in backup.s3_bucket ({ $detail })
why-backup-store-fails = the store does not do what it should at { $path }: { $detail }
why-restore-over-databases = there are databases in { $folder } already: say --replace, which moves them aside, or name another data folder
why-restore-without-peers = { $path } is missing: it says which tills were removed or given a new token since, and without it they come back; if it is lost, say --without-peers
cli-backup-failed = the backup was not made: { $reason }
cli-rehearsal-failed = the backup did not stand its trial: { $reason }
cli-backup-made = made { $file } ({ $bytes } bytes)
cli-backup-rehearsed = unpacked, opened and compared { $file }: all of it is there, { $rows } rows
cli-backup-same-disk = it lies on the disk of the databases: copy it to another machine, or set backup.dir
cli-backup-whole = { $file } is whole: { $files } files of `{ $server }` (cash-server { $version }) as of { $at }
cli-restored = put back { $files } files of `{ $server }` (cash-server { $version }) as of { $at }, { $rows } rows
cli-restored-aside = what was there is in { $folder }
cli-restored-settings = the settings of that server are in { $file }: compare them with yours
cli-restored-without-peers = there was no list of tills: look whether some are there again that were removed
cli-restored-removed = tills removed again, as they were since: { $tills }
cli-restored-without-token = tills that were given a new token since, which is void: give them one more (`cash-server till settings … --new-secret`): { $tills }
cli-restored-unknown = tills made since, and not known any more: make them anew: { $tills }
cli-restored-start = start the server: tills send it the sales that it has not, and it goes on after what they have
nav-audit = Who did what
audit-explained = Every change that somebody asked for: by page, REST or command line. Nothing here can be changed.
audit-text = Text in it
audit-all = All actions
audit-when = When
audit-what = What
audit-object = With what
audit-who = Who
audit-face = By which way
audit-address = From where
audit-changed = Was → is
audit-before = Was
audit-after = Is
audit-nothing = nothing
audit-from = From this day on
audit-to = Up to this day
audit-of-it = all about it
audit-none = Nothing was done that fits.
audit-newest = ↑ Newest
audit-older = Older →
audit-cut = There is more: choose fewer days.
face-rest = a program, by REST
face-page = page
face-command-line = command line
face-within = the server itself
audit-node-create = Node made
audit-node-rename = Node renamed
audit-node-move = Node moved
audit-node-remove = Node removed
audit-node-settings = Settings of tills set
audit-till-park = Till parked
audit-till-unpark = Till taken back into service
audit-till-token = New secret for a till
audit-till-stolen = Till shut out as stolen or lost
audit-till-attach = Till attached with a code
audit-attach-code-make = Code to attach a till made
audit-attach-code-end = Code to attach a till ended
audit-till-unload = Till asked for sales
audit-till-verify = Till asked for a recount
audit-till-send-anew = Till sent everything anew
audit-till-acknowledge = State of a till acknowledged
audit-till-go-past = Revisions go on after the one that a till names
audit-aside-retry = What was set aside tried again
audit-aside-drop = What was set aside dropped
audit-load-approve = Held load approved
audit-load-refuse = Held load refused
audit-notices-see = Rejects and warnings marked as seen
audit-finding-close = Finding about sales closed
audit-user-add = User added
audit-user-change = User changed
audit-user-remove = User removed
audit-user-password = Password set
audit-user-link = Link to set a password made
audit-session-begin = Somebody logged in
audit-session-end = Sessions ended
audit-key-add = Key of a program made
audit-key-remove = Key of a program removed
upload = Send a file
upload-explained = Goods and prices in AIF. Nothing changes yet: the next page shows what the file would do, and asks.
upload-file = File
upload-do = Send and look
audit-load-upload = File sent to be loaded
why-asked-first = somebody sent it to see first what it would do
why-uploads-busy = { $max } files are being received already: send it again in a moment
why-upload-empty = no file was chosen, or it is empty
why-upload-too-large = the file is larger than { $max_bytes } bytes: send it in parts, or raise aif.body_limit_mib in the server's settings
why-upload-cut-off = the file did not come whole: send it again
why-upload-encoding = the file is not in the encoding of this server's files: { $reason }
why-upload-not-kept = the server cannot keep the file ({ $detail }): free space on its disk and send it again
why-would-add-some = new, for example: { $objects }
why-would-change-some = changed, for example: { $objects }
why-would-delete-some = deleted, for example: { $objects }
audit-by-itself = also by server and tills
held-nothing-yet = Nothing has changed yet: say yes or no.
held-for = What it would do, and why it asks
sent-by-page = { $file }, sent on the page
load-carried-out = carried out

# Settings of tills.
settings = Settings
settings-show = Settings of the tills here and below
settings-node-explained = They hold for all tills here and below, unless a place below sets its own. What nobody sets is the till's own matter.
settings-till-explained = What is set here wins over what its shop and the groups above set. What nobody sets stands in its own cash.ini.
settings-not-told = Its agent does not say what it has: it is older, or was never heard of.
settings-empty-means = An empty field: nothing is set here. A till in contact has what is saved within seconds, any other when it is back.
settings-save = Save settings
setting = Setting
setting-value = Value
setting-set-by = Set by
setting-on-till = The till has
setting-here = Set here
setting-by-nobody = nobody: the default
setting-on-its-way = not yet
setting-as-above = as above: { $value }
setting-range = { $least } to { $most }
setting-of-actualcountdaysforbackupfiles = Days for which copies of exchanged data are kept
setting-of-addressundoperiod = Seconds that a new address of the server may be silent
setting-of-brokerconnectionheartbeat = Seconds between two looks at the link to the broker; 0: as the agent thinks best
setting-of-contactperiod = Seconds between two words that it is alive
setting-of-isdebugdictstatussend = Reports each step of a load
setting-of-isdebugsalestatussend = Reports that it hands sales over
setting-of-maxcountbackupfiles = Copies of exchanged data that are kept
setting-of-queuechunksize = Objects in one message of its queue
setting-of-unloadperiod = Seconds between two times that it hands sales over; 0: when a shift closes and when asked
setting-of-unloadsalesrequestthroughcs = At the close of a shift it has the server ask for sales
setting-of-usequeueinupload = Packages go through its queue

did-node-settings = Set settings
event-order-settings = Told its settings
why-unknown-setting = `{ $key }` is no setting of a till that can be set here; these are: { $keys }
why-setting-no-flag = { $key } is set to `{ $value }`: allowed is True or False
why-setting-no-number = { $key } is set to `{ $value }`: allowed is a whole number from { $least } to { $most }

# More that is done with many tills.
bulk-more = Move them, set a setting, make codes
bulk-act-send-anew = Send everything anew
bulk-act-move = Move
bulk-act-settings = Set a setting
bulk-act-codes = New codes
bulk-move-to = To the shop
bulk-code-hours = Good for hours
bulk-ask-send-anew = { $n ->
    [one] Send { $n } till everything anew?
   *[other] Send { $n } tills everything anew?
 }
bulk-ask-move = { $n ->
    [one] Move { $n } till to { $shop }?
   *[other] Move { $n } tills to { $shop }?
 }
bulk-ask-settings = { $n ->
    [one] Set { $setting } to { $value } on { $n } till?
   *[other] Set { $setting } to { $value } on { $n } tills?
 }
bulk-ask-codes = { $n ->
    [one] Make a new code for { $n } till?
   *[other] Make new codes for { $n } tills?
 }
bulk-means-send-anew = Each gets its whole dictionary once more and goes on selling meanwhile. Many at once take the network's time.
bulk-means-move = A move changes what they sell: the goods and prices of the new shop.
bulk-means-settings = It wins over what shops and groups set. A till in contact has it within seconds.
bulk-means-codes = The codes come as a file, this once: this server does not keep them. Codes of these tills that are open end.
bulk-did-send-anew = { $n ->
    [one] { $n } till is sent everything anew.
   *[other] { $n } tills are sent everything anew.
 }
bulk-did-move = { $n ->
    [one] { $n } till was moved.
   *[other] { $n } tills were moved.
 }
bulk-did-settings = { $n ->
    [one] { $n } till was set.
   *[other] { $n } tills were set.
 }
bulk-did-codes = { $n ->
    [one] A code was made for { $n } till.
   *[other] Codes were made for { $n } tills.
 }
bulk-fails = cannot be done
bulk-would-fail = { $n ->
    [one] For { $n } it cannot be done.
   *[other] For { $n } it cannot be done.
 }
code-until = Good until
setting-none = nothing of its own
did-till-send-anew = Sent everything anew

why-no-bulk-act = `{ $act }` is nothing that can be done with many tills, or what it needs is missing: park, unpark, ask, ask-days (with `from`), recount, send-anew, move (with `shop`), settings (with `settings`), codes
why-no-condition = `{ $text }` is no condition of a till: trouble, sales-wait, silent, never-heard-of, behind, current, parked
cli-say-yes = nothing was done to { $total }: say --yes to do it, or --dry-run to only look
cli-sent-anew = { $till } is sent everything anew

# Columns and views of one's own.
columns = Columns
columns-show = Show these
views = My views
view-save = Save this view
view-name = Name
views-remove = Remove a view
view-remove = Remove { $view }

# The file of a load.
load-file = File as it came
load-file-until = kept until { $until }, less where files are many
load-file-waits = kept as long as the load waits
load-file-gone = not kept (any more)
why-load-file-not-kept = the file of load { $load } is not kept (any more): files are kept for { $days } days, fewer where they are many
why-load-file-unreadable = the file of load { $load } cannot be read: { $detail }
why-downloads-busy = other files are being read right now: try again in a minute

# What is set aside, and whom receipts name.
cashier-name = Cashier's name
unit-is-cut = This is only its beginning.
unit-not-here = The server does not have what it holds: it stands on the till alone.
cli-finding-closed = finding { $finding } is closed
why-too-many-items = more than { $max } goods are called `{ $text }`: say more of the name, or the code
