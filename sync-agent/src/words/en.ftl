### Words of the command line, in English. `ru.ftl` has the same; a test compares them. A message is one line.

## Why a till is not attached
attach-unreachable = { $server } cannot be reached ({ $detail }). Look at the address and the network, and whether the server runs there. The code was not used.
attach-no-tls = { $server } answers, but not with TLS 1.3 ({ $detail }). Look whether this is the port of the cash server's REST (8080 by default); a proxy in between must pass TLS on as it is; a server of an older version attaches no tills. The code was not used.
attach-not-there = { $server } answers, but attaches no tills (HTTP { $status }): another port, another program, or a cash server of an older version. The code was not used.
attach-unreadable = what { $server } answers cannot be read ({ $detail }): it may be of another version.
attach-wrong-server = { $server } does not prove that it knows this code. Either the code was typed wrongly, or another server made it, or somebody stands between: compare the code and the address letter by letter. Nothing was told to that server, and nothing here was changed; the code, where it is right, was not used.
attach-answer-lost = the answer of { $server } was lost ({ $detail }), and the server may have taken the code. Run the same command once more within ten minutes; later, ask for a new code.
attach-slow-down = the server has had many tries from this address and asks to wait for { $seconds } s. The code was not used.
attach-versions = this agent is of version { $own }, the server of { $server }: only neighbouring minor versions work together. Upgrade the older of the two, the server first. The code was not used.
attach-clock = this till's clock is at { $ours }, the server's at { $theirs }: set it (timedatectl set-time), then run the same command once more. The code was not used.
attach-file = { $detail }. Run this as root. If the code is said to be used then, ask for a new one.
attach-settings = { $file } has faults, mend them first; the code was not used:{ $faults }
attach-running = an agent runs on this till: stop it first, then run the same command once more ({ $detail }). The code was not used.
attach-code-used = the code was used already, at { $at }. Was it this till? Then it is attached: sync-agent check --online. If not, somebody else has used it: tell the administrator, and ask for a new one.
attach-code-ended = the code ended at { $at }: ask for a new one.
attach-wrong-proof = the server does not take the proof of this code: ask for a new one.
attach-other-till = the code is for { $till }, and this till is { $own } by its cash.ini. Ask for a code for { $own }; or, if this machine is to become { $till }, move its cash.ini away first. The code was not used.
attach-till-gone = the till that the code was made for was removed from the server: ask for a new code.
attach-refused = the server refuses: { $detail }

## How far it is
attach-slowed = the server asks to wait for { $seconds } s, since there were many tries from this address …
attach-done = attached as { $till }; settings and secret are in { $file }
attach-former = the former settings are kept in { $file }
attach-no-password = the server does not know the broker's password: put it into the first line of { $file }
attach-starting = starting the service, waiting for the first dictionaries …
attach-waiting = waiting for the first dictionaries …
attach-in-step = in step: revision { $revision }, { $rows } rows, after { $seconds } s
attach-empty = in contact with the server, which has no dictionaries for this till yet
attach-start = start the agent now: sync-agent run, or the service
attach-not-started = the service does not start: systemctl status { $service }; the till is attached
attach-not-in-step = attached, but not in step after { $seconds } s: revision { $revision } of { $target }; { $link }. The agent goes on by itself: sync-agent status
