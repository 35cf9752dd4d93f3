"""An AMQP client that knows nothing but the names of queues and the formats of messages in the docs.

Arguments: port, virtual host, user, password, and what to do: `look <queue>` waits for a message of a queue, leaves it there, and
prints it with its properties; `declare <queue>` tries to make a queue; `report` publishes the text on standard input to the
exchange for reports. Prints JSON.
"""
import json
import sys
import time

import pika

port, virtual_host, user, password, deed = sys.argv[1:6]
EXCHANGE, REPORTS = "tillway", "tillway.reports"
DEADLINE_S = 60

connection = pika.BlockingConnection(pika.ConnectionParameters(
    "127.0.0.1", int(port), virtual_host, pika.PlainCredentials(user, password)))
channel = connection.channel()
if deed == "look":
    queue, until = sys.argv[6], time.monotonic() + DEADLINE_S
    method = None
    while method is None and time.monotonic() < until:
        # Each queue is there, durable, before its first message: a passive declaration says so.
        channel.queue_declare(queue, passive=True)
        method, properties, body = channel.basic_get(queue)
        if method is None:
            time.sleep(0.2)
    told = {"message": json.loads(body), "persistent": properties.delivery_mode == 2,
            "exchange": method.exchange, "routing_key": method.routing_key}
    channel.basic_nack(method.delivery_tag, requeue=True)
elif deed == "declare":
    try:
        channel.queue_declare(sys.argv[6], durable=True)
        told = {"refused": None}
    except pika.exceptions.ChannelClosedByBroker as error:
        told = {"refused": error.reply_code}
else:
    channel.confirm_delivery()
    try:
        channel.basic_publish(EXCHANGE, REPORTS, sys.stdin.buffer.read(),
                              pika.BasicProperties(delivery_mode=2), mandatory=True)
        told = {"published": True}
    except pika.exceptions.UnroutableError:
        # As the agent does: it keeps the report and tries again.
        told = {"published": False}
print(json.dumps(told))
if connection.is_open:
    connection.close()
