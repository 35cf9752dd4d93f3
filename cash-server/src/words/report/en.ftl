
### What is told by mail and webhook, and the report.

nav-report = Report
report-of = { $server }: what needs a look, { $place }
report-tills = { $current } of { $total } tills have what they should have.
report-others = On the way: { $behind }; silent: { $silent }; under repair: { $parked }.
report-place = Where
report-since = Since
report-known = What is known
report-shift = shift { $number }: { $why }
attention-slow = Tills that are slow
todo-slow = In contact, and for five minutes or longer without what they should have. The reason says what they wait for; look at the till with: sync-agent status.
attention-shift-late = Shifts that are not all here
todo-shift-late = Closed, and documents are missing still. They usually come within minutes; ask for the documents of that day with: cash-server unload.
attention-unsent = Mails or calls of webhooks did not arrive
todo-unsent = They were tried for a day and given up. Check the settings under [mail] and [alerts], and the addresses of people; a trial shows whether mails arrive.
mail-off = No mails are sent: the settings name no mail server ([mail]).
mail-mine = My mails…
mailing = Mails
mailing-explained = The daily report, and what is told at once, for your part of the network and in your language.
mail-address = Address
mail-language = Language
mail-report = The report, every day
mail-wants-held-load = At once: a load waits for a yes or a no
mail-wants-silent-shop = At once: a shop is silent
mail-wants-shift-differs = At once: a shift differs
mail-set = Save
mail-none = none
trial-send = Send the report now, as a trial
trial-send-to = Send it to { $address } now
trial-sent = The mail is on its way. If it does not come within some minutes, the page “Server” says why.
mail-report-subject = { $server }, { $place }: { $n ->
    [0] nothing needs a look
    [one] { $n } thing needs a look
   *[other] { $n } things need a look
}
mail-trial-subject = Trial: { $server }, { $place }: { $n ->
    [0] nothing needs a look
    [one] { $n } thing needs a look
   *[other] { $n } things need a look
}
mail-alerts-subject = { $server }: { $n ->
    [one] { $n } message
   *[other] { $n } messages
}
mail-alerts-of = { $server }: what has happened
mail-trial = This is a trial. It shows that mails arrive.
mail-why = You get this mail because it is wanted so under “My account”.
alert-since = since { $time }
alert-until = until { $time }
alert-held-load-start = A load for { $place } waits for a yes or a no
alert-held-load-growth = A load for { $place } still waits for a yes or a no
alert-held-load-end = The load for { $place } waits no more
alert-silent-shop-start = Silent: { $place }, { $n ->
    [one] { $n } till
   *[other] all { $n } tills
}
alert-silent-shop-growth = Still silent: { $place }, { $n ->
    [one] { $n } till
   *[other] all { $n } tills
} now
alert-silent-shop-end = Heard of again: { $place }
alert-shift-differs-start = { $n ->
    [one] A shift differs
   *[other] { $n } shifts differ
} on till { $place }
alert-shift-differs-growth = { $n ->
    [one] A shift differs
   *[other] { $n } shifts differ now
} on till { $place }
alert-shift-differs-end = No shift differs any more on till { $place }
task-alerts = Look for what people are told at once
task-daily-report = The report of each day
task-outbox = Send mails, call webhooks
audit-user-mail = Mails of a user changed
audit-report-trial = Trial mail asked for
outbox = Mails and webhooks
outbox-sent = Last one { $age }
outbox-none = None was sent yet
outbox-waiting = { $n } waiting
cli-user-mail = { $login }: { $address }, { $language }; report: { $report }; at once: { $alerts }
cli-trial-sent = a trial is on its way to { $login }
log = Log
log-explained = What the server has said since its start: the newest lines, as far as they are kept in memory. All of it is in the log file or the journal.
log-all = All
log-info = From notes on
log-warn = From warnings on
log-error = Errors
log-text = Text in it
log-find = Find
log-when = When
log-level = Level
log-said = What was said
log-cut = There is more: filter, or ask with: cash-server log.
log-none = No line fits.
backups = Backups
backup-of = Of this moment
backup-rehearsed = How it stood its trial
backup-verified = read again after writing
databases = Databases
database = File
database-log = Not in it yet
database-schema = Schema
size = Size
kib = { $n } KiB
keeps = What is kept how long
keep-what = What
keep-long = How long
keep-oldest = The oldest
keep-setting = Setting
keep-ever = for ever
keep-days = { $n ->
    [one] { $n } day
   *[other] { $n } days
}
keep-most = at most { $n } MiB
keep-receipts = Receipts, shifts, findings
keep-prices = Old prices and other versions of the dictionary
keep-loads = Reports of loads, deliveries, orders
keep-audit = Who did what
keep-packages = Packages for tills
keep-files = Loaded files
keep-backups = Backups
act-read-log = read the server's log

why-no-mail-address = `{ $text }` is no address of mail: write it as anna@example.org
why-no-language = `{ $text }` is no language: en or ru
why-no-alert = `{ $text }` is nothing that people are told of at once: held-load, silent-shop or shift-differs
why-no-mail-server = no mails are sent: the settings name no mail server ([mail])
why-no-mail-of = { $login } has no address of mail
why-too-much-waits = { $max } messages wait for this receiver already
why-mail-not-sent = the mail server { $server } did not take a mail: { $detail }
why-mail-too-slow = the mail server { $server } did not take a mail within { $seconds } s
why-mail-not-made = a mail could not be made: { $detail }
why-sending-file-unread = the file { $path } cannot be read: { $detail }
why-hook-unreachable = the webhook at { $host } cannot be reached: { $detail }
why-hook-refused = the webhook at { $host } answered { $status }
why-no-log-level = a level of the log is error, warn, info, debug or trace
