"""A till that was broken into, at the sales service: what it sends is not its own, is too much, or was sent before.

Arguments: the folder of the code that protoc made, address of the service, its id, its shop, its token, the id of another till.
Prints what became of each try. With `hold <port of REST>` as last arguments it opens a stream and a connection to REST,
says so, and prints how each was ended, and after how many seconds.
"""
import http.client
import json
import queue
import sys
import threading
import time
import uuid

import grpc

folder, address, own, shop, token, other = sys.argv[1:7]
sys.path.insert(0, folder)
import sales_pb2 as sales  # noqa: E402  made from sales.proto just now

BEGAN, ENDED = "2026-03-04T08:00:00", "2026-03-04T09:30:00"
DEADLINE_S = 60
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
METHOD = "/tillway.sales.v1.SalesLoader/Unload"


def document(till, number, receipt, shift=66, at=ENDED, began=BEGAN):
    line = sales.Line(position=1, item_code="1", barcode="b1", opcode=50, quantity=1000, price=1000, sum_before=1000,
                      sum=1000, time=at)
    paid = sales.Payment(opcode=70, type_code=1, sum=1000, time=at)
    key = sales.ReceiptKey(till_id=till, shift=shift, number=number, uuid=receipt, shift_opened=began)
    return sales.Document(key=key, document_id=number, doctype=1, cash_code="71", cashier="3", department=1, time_beg=at,
                          time_end=at, sum_before=1000, sum=1000, lines=[line], payments=[paid])


def closed_shift(till, shift=66):
    return sales.Shift(till_id=till, number=shift, cash_code="71", shop_code="7", cashier="3", time_beg=BEGAN, time_end=ENDED,
                       first_number=1, last_number=1, recorded_sales=1, recorded_sale_sum=1000, counted_sales=1,
                       counted_sale_sum=1000, counted_documents=1)


def hello(peer, instance=7, **more):
    return sales.Hello(schema=1, peer_id=peer, shop_id=shop, agent_version="a rogue", instance=str(uuid.UUID(int=instance)),
                       shifts=[66], **more)


class Stream:
    """One call, by hand."""

    def __init__(self, channel, named=own, shown=token):
        self.frames = queue.Queue()
        unload = channel.stream_stream(METHOD, request_serializer=lambda frame: frame,
                                       response_deserializer=sales.ServerFrame.FromString)
        self.answers = unload(iter(self.frames.get, None), timeout=DEADLINE_S,
                              metadata=[("authorization", f"Bearer {shown}"), ("tillway-peer", named)])

    def say(self, **frame):
        self.frames.put(sales.PeerFrame(**frame).SerializeToString())
        return self

    def begin(self, greeting):
        self.say(hello=greeting)
        while not next(self.answers).holding.last:
            pass
        return self

    def acknowledged(self):
        return next(self.answers).ack

    def end(self):
        self.frames.put(None)
        return list(self.answers)


def outcome(deed):
    channel = grpc.insecure_channel(address, options=UNLIMITED)
    try:
        return deed(channel)
    except grpc.RpcError as error:
        return error.code().name
    finally:
        channel.close()


def sent(*documents, shifts=()):
    def deed(channel):
        stream = Stream(channel).begin(hello(own)).say(batch=sales.Batch(sequence=1, documents=documents, shifts=shifts))
        ack = stream.acknowledged()
        stream.end()
        return {"through": ack.through, "refused": len(ack.refused)}
    return deed


def two_streams(channel):
    first = Stream(channel).begin(hello(own))
    try:
        second = Stream(channel)
        second.say(hello=hello(own, instance=8))
        next(second.answers)
        return "both"
    except grpc.RpcError as error:
        return error.code().name
    finally:
        first.end()


def flood(channel):
    """Streams that say nothing, one after the other: each gives way to the next; then it speaks as itself."""
    silent = [Stream(channel) for _ in range(60)]
    told = sent()(channel)
    for stream in silent:
        stream.answers.cancel()
    return told


def hold(port):
    channel, ended = grpc.insecure_channel(address), {}
    stream = Stream(channel).begin(hello(own))
    rest = http.client.HTTPConnection("127.0.0.1", int(port), timeout=DEADLINE_S)
    rest.request("GET", f"/api/v1/tills/{own}/token", headers={"Authorization": f"Bearer {token}"})
    answer = rest.getresponse()
    answer.read()
    assert answer.status == 204, answer.status
    print("in", flush=True)
    began = time.monotonic()

    def until_stream_ends():
        try:
            list(stream.answers)
        except grpc.RpcError as error:
            ended["sales"] = [error.code().name, time.monotonic() - began]

    def until_rest_ends():
        try:
            left = rest.sock.recv(1)
        except ConnectionError:
            left = b""
        ended["rest"] = [len(left), time.monotonic() - began]

    threads = [threading.Thread(target=wait) for wait in (until_stream_ends, until_rest_ends)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ended


if sys.argv[7:8] == ["hold"]:
    print(json.dumps(outcome(lambda _: hold(sys.argv[8]))))
    sys.exit()

def greeted(greeting, **more):
    return lambda channel: Stream(channel, **more).begin(greeting) and "in"


def then(**frame):
    return lambda channel: Stream(channel).begin(hello(own)).say(**frame).acknowledged() and "taken"


def fresh():
    return uuid.uuid4().bytes


def at(time_told, number):
    return sent(document(own, number, fresh(), shift=60 + number, at=time_told, began=time_told))


receipt = uuid.UUID("01890000-0000-7000-8000-000000000066").bytes
own_shift, guess = [closed_shift(own)], "tw2_" + "0" * 64
huge = sales.Batch(sequence=1, documents=[document(own, 9, fresh(), at="x" * 9_000_000)])
tries = {
    "knock as another": greeted(hello(other), named=other),
    "knock as another with a guess": greeted(hello(other), named=other, shown=guess),
    "greet as another": greeted(hello(other)),
    "greet as a shop": greeted(hello(shop)),
    "documents of another": sent(document(other, 1, fresh()), shifts=[closed_shift(other)]),
    "two machines": two_streams,
    "its own": sent(document(own, 1, receipt), shifts=own_shift),
    "its own again": sent(document(own, 1, receipt), shifts=own_shift),
    "long ago": at("0001-01-01T00:00:00", 2),
    "long after": at("9999-12-30T00:00:00", 3),
    "a batch of another turn": then(batch=sales.Batch(sequence=9)),
    "a huge frame": then(batch=huge),
    "a huge greeting": greeted(hello(own, openings=["x" * 100_000])),
    "two greetings": then(hello=hello(own)),
    "a flood of streams": flood,
}
print(json.dumps({name: outcome(deed) for name, deed in tries.items()}))
