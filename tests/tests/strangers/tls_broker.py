"""A client of the broker over TLS: `tls_broker.py <authority file> <host> <port> <virtual host> <user> <password>`

Checks the certificate as Python does by default, makes a queue of its own, and gets back what it puts there. Prints what it got.
"""

import ssl
import sys

import pika

authority, host, port, virtual_host, user, password = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
connection = pika.BlockingConnection(pika.ConnectionParameters(
    host, int(port), virtual_host, pika.PlainCredentials(user, password), ssl_options=pika.SSLOptions(context, host)))
channel = connection.channel()
queue = channel.queue_declare("", exclusive=True).method.queue
channel.basic_publish("", queue, b"heard")
body = None
while body is None:
    _, _, body = channel.basic_get(queue, auto_ack=True)
print(body.decode())
connection.close()
