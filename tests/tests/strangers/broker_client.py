"""An AMQP client that knows nothing but the names of queues and the formats of messages in the docs.

Arguments: port, virtual host, user, password, and what to do:
- `look <queue> <secret>` waits for a message of a queue, leaves it there, and prints it with its properties, what goes with it, and
  whether that is what the server must send along, by this client's own reckoning;
- `declare <queue>` tries to make a queue;
- `report <peer> <secret>` publishes the text on standard input to the exchange for reports, with its code;
- `forge <routing key>` publishes messages as they are: standard input is a JSON list of texts, each with its head.
Prints JSON.
"""
import json
import os
import sys
import time

import pika

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
import message_codes  # beside this script

port, virtual_host, user, password, deed = sys.argv[1:6]
EXCHANGE, REPORTS = "tillway", "tillway.reports"
TO_PEER, TO_SERVER = 1, 2
DEADLINE_S = 60


def publish(routing_key, body, head):
    named = {"tillway-peer": head.get("peer"), "tillway-code": head.get("code")}
    headers = {name: value for name, value in named.items() if value is not None}
    properties = pika.BasicProperties(delivery_mode=2, type=head.get("type"), message_id=head.get("id"), headers=headers)
    try:
        channel.basic_publish(EXCHANGE, routing_key, body, properties, mandatory=True)
        return {"published": True}
    except pika.exceptions.UnroutableError:
        # As the agent does: it keeps the report and tries again.
        return {"published": False}


connection = pika.BlockingConnection(pika.ConnectionParameters(
    "127.0.0.1", int(port), virtual_host, pika.PlainCredentials(user, password)))
channel = connection.channel()
if deed == "look":
    queue, secret, until = sys.argv[6], sys.argv[7], time.monotonic() + DEADLINE_S
    method = None
    while method is None and time.monotonic() < until:
        # Each queue is there, durable, before its first message: a passive declaration says so.
        channel.queue_declare(queue, passive=True)
        method, properties, body = channel.basic_get(queue)
        if method is None:
            time.sleep(0.2)
    headers = properties.headers or {}
    head = {"type": properties.type, "id": properties.message_id,
            "peer": headers.get("tillway-peer"), "code": headers.get("tillway-code")}
    expected = message_codes.head(secret, TO_PEER, head["peer"], head["type"], head["id"], body)
    told = {"message": json.loads(body), "persistent": properties.delivery_mode == 2, "text": body.decode(), "head": head,
            "is_of_server": head == expected, "exchange": method.exchange, "routing_key": method.routing_key}
    channel.basic_nack(method.delivery_tag, requeue=True)
elif deed == "declare":
    try:
        channel.queue_declare(sys.argv[6], durable=True)
        told = {"refused": None}
    except pika.exceptions.ChannelClosedByBroker as error:
        told = {"refused": error.reply_code}
elif deed == "report":
    channel.confirm_delivery()
    peer, secret, body = sys.argv[6], sys.argv[7], sys.stdin.buffer.read()
    told = publish(REPORTS, body, message_codes.head(secret, TO_SERVER, peer, "contact", "1", body))
else:
    channel.confirm_delivery()
    told = [publish(sys.argv[6], message["text"].encode(), message["head"]) for message in json.load(sys.stdin)]
print(json.dumps(told))
if connection.is_open:
    connection.close()
