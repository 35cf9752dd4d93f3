"""A till that was broken into: it has the till's whole disk, and so its login at the broker, and tries what is not its own.

Arguments: port, virtual host, another virtual host, its id, its secret, the id of another till. Prints what became of each try:
`done`, or the broker's number of refusal. With `wait` as a last argument it logs in, says so, and prints after how many seconds
the broker ended its connection; with `flood` it says one true word over and over meanwhile.
"""
import json
import os
import sys
import time

import pika

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
import message_codes  # beside this script

port, vhost, other_vhost, peer, secret, other = sys.argv[1:7]
PASSWORD = "twb1_" + message_codes.derived(
    "tillway 2026-11-30 password of a peer at the broker", bytes.fromhex(secret.removeprefix("tws1_"))).hex()
OWN, THEIRS = f"tillway.dictionary.{peer}", f"tillway.control.{other}"


def login(user, where):
    return pika.BlockingConnection(pika.ConnectionParameters(
        "127.0.0.1", int(port), where, pika.PlainCredentials(user, PASSWORD), heartbeat=0))


def outcome(deed):
    try:
        deed()
        return "done"
    except pika.exceptions.ChannelClosedByBroker as error:
        return error.reply_code
    except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.AuthenticationError):
        return 403
    except pika.exceptions.ProbableAccessDeniedError:
        return 530
    except pika.exceptions.ConnectionClosedByBroker as error:
        return error.reply_code


def on_channel(connection, deed):
    def tried():
        channel = connection.channel()
        channel.confirm_delivery()
        deed(channel)
        channel.close()
    return outcome(tried)


def publish(exchange, key, **more):
    return lambda channel: channel.basic_publish(exchange, key, b"{}", pika.BasicProperties(**more))


def flood():
    """One contact, many times: its code is as right the last time as the first."""
    state = {"agent_version": "a rogue", "cursor": 0}
    body = json.dumps({"schema": 2, "peer": peer, "instance": "00000000-0000-0000-0000-000000000066",
                       "sent_at": "2026-03-04T09:30:00Z", "type": "contact", "state": state}).encode()
    head = message_codes.head(secret, 2, peer, "contact", "1", body)
    properties = pika.BasicProperties(type=head["type"], message_id=head["id"],
                                      headers={"tillway-peer": head["peer"], "tillway-code": head["code"]})
    channel = connection.channel()
    try:
        for _ in range(5_000):
            channel.basic_publish("tillway.incoming", "tillway.reports", body, properties)
    except pika.exceptions.AMQPChannelError:
        pass  # Its login is gone already, which the broker tells before it ends the connection.


connection = login(peer, vhost)
if sys.argv[7:] in (["wait"], ["flood"]):
    print("in", flush=True)
    began = time.monotonic()
    try:
        if sys.argv[7] == "flood":
            flood()
        while time.monotonic() - began < 60:
            connection.process_data_events(time_limit=0.2)
        print("still in")
    except pika.exceptions.AMQPConnectionError:
        print(f"{time.monotonic() - began:.1f}")
    sys.exit()

tries = {
    "report": publish("tillway.incoming", "tillway.reports"),
    "look into own queue": lambda channel: channel.queue_declare(OWN, passive=True),
    "read own queue": lambda channel: channel.basic_get(OWN),
    "read another's queue": lambda channel: channel.basic_get(THEIRS),
    "consume another's queue": lambda channel: channel.basic_consume(THEIRS, lambda *_: None),
    "empty another's queue": lambda channel: channel.queue_purge(THEIRS),
    "delete another's queue": lambda channel: channel.queue_delete(THEIRS),
    "read reports": lambda channel: channel.basic_get("tillway.reports"),
    "empty reports": lambda channel: channel.queue_purge("tillway.reports"),
    "delete own queue": lambda channel: channel.queue_delete(OWN),
    "make a queue": lambda channel: channel.queue_declare("tillway.mine", durable=True),
    "make an exchange": lambda channel: channel.exchange_declare("tillway.mine"),
    "delete the exchange": lambda channel: channel.exchange_delete("tillway.incoming"),
    "have another's messages": lambda channel: channel.queue_bind(OWN, "tillway", THEIRS),
    "command another": publish("tillway", THEIRS),
    "command another directly": publish("", THEIRS),
    "report directly": publish("", "tillway.reports"),
    "report as another": publish("tillway.incoming", "tillway.reports", user_id=other),
    "write elsewhere": publish("amq.topic", THEIRS),
}
told = {name: on_channel(connection, deed) for name, deed in tries.items()}
told["log in as another"] = outcome(lambda: login(other, vhost).close())
told["log in elsewhere"] = outcome(lambda: login(peer, other_vhost).close())
print(json.dumps(told))
connection.close()
