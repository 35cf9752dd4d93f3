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

## People who may not come in, and what was wrong about a change of them

why-wrong-password = login and password do not fit
why-login-slow-down = there were too many tries: wait for { $seconds } s
why-login-busy = many people log in right now: try again
why-login-disabled = the user { $login } is disabled
why-password-first = the password of { $login } has to be changed on the page first
why-no-login = `{ $text }` is no login: at most 64 characters, without colon, slash and spaces at its ends
why-password-short = a password has at least { $min } characters
why-password-long = a password has at most { $max } bytes
why-password-plain = the password is the login, or one character over and over: choose another
why-password-same = this is the password of before: choose another
why-unknown-user = there is no user { $login }
why-user-there = there is a user { $login } already
why-last-user = { $login } is the last one who can come in and manage people: add another first
why-too-many-users = there are { $max } users: remove one first
why-link-gone = this link was used, has ended, or there is a newer one: ask for another
why-no-key-name = `{ $text }` is no name of a key: at most 64 characters, without colon, slash and spaces at its ends
why-key-there = there is a key { $name } already
why-unknown-key = there is no key { $name }
why-key-ended = the key { $name } has ended at { $at }: make another
why-key-days = a key lives from 1 to { $max } days
why-too-many-keys = there are { $max } keys: remove one first
why-unknown-session = there is no such session any more
why-only-users = only a user with a login has an account
why-password-not-hashed = the password could not be hashed: { $detail }
why-no-view-name = `{ $text }` is no name of a view: 1 to { $max } characters
why-no-view-address = a view is the address of a page here, at most { $max } bytes long
why-too-many-views = you have { $max } views: remove one first
why-unknown-view = there is no view `{ $name }`
