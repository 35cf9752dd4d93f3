### Words that every service says, in English. `ru.ftl` has the same messages with the same
### parameters. What a service is about stands in its own files.

## The page

language = Language
skip-to-content = To the content
navigation = Main
path = Where you are
as-of = As of
connection-lost = The server does not answer. What you see is from the last time it did.
back = Back
told-failed = This could not be done
told-gone = It is not there any more
told-other-site = This request did not come from this page
told-stale-page = The page is out of date: go back and try again
page-failed = The page cannot be shown: { $why }

## Ages

past-now = now
past = { $age } ago
age-seconds = { $n } s
age-minutes = { $n } min
age-hours = { $n } h
age-days = { $n } d

## What a service does by itself

state = State
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

## Reasons

# What an older server wrote as a sentence, or what a program, a broker or a system says.
why-worded = { $text }
why-task-panicked = it broke off ({ $said }); this is a defect of the server
why-tls-file = { $path }: { $detail }
why-tls-authority-key = { $path } does not go with the certificate beside it: put the right file back; or remove both, and a new authority is made, which nobody trusts yet
why-tls-own-certificate = { $cert } with the key { $key } cannot be used for TLS: { $detail }
why-tls-not-made = the certificate { $path } cannot be made: { $detail }
why-tls-library = TLS cannot be set up: { $detail }
