"""A till that knows nothing but sales.proto: speaks the sales service with the distribution's gRPC.

Arguments: the folder of the code that protoc made, address of the service, id of the till, id of its shop, its token, and what
to do: `send` sends a shift with a sound document and a broken one and prints what the server acknowledged; `hold` prints what
the server states to have; `knock` only knocks. Prints JSON; a refusal as {"refused": code, "said": text}.
"""
import json
import queue
import sys
import uuid

import grpc

folder, address, till, shop, token, deed = sys.argv[1:]
sys.path.insert(0, folder)
import sales_pb2 as sales  # noqa: E402  made from sales.proto just now

SHIFT, BEGAN, ENDED = 41, "2026-03-04T08:00:00", "2026-03-04T09:30:00"
RECEIPT = uuid.UUID("01890000-0000-7000-8000-00000000002a")
DEADLINE_S = 60


def known(message, **fields):
    """A message with these fields, as far as this version of the page has them."""
    names = {field.name for field in message.DESCRIPTOR.fields}
    return message(**{name: value for name, value in fields.items() if name in names})


def document(number, receipt, row):
    key = known(sales.ReceiptKey, till_id=till, shift=SHIFT, number=number, uuid=receipt, shift_time_beg=BEGAN)
    line = sales.Line(position=1, item_code="1", barcode="b1", opcode=50, quantity=2000, price=1000, sum_before=2000,
                      sum=2000, time=ENDED)
    paid = sales.Payment(opcode=70, type_code=1, sum=2000, time=ENDED)
    return known(sales.Document, key=key, document_id=row, doctype=1, cash_code="72", cashier="3", department=1,
                 time_beg=ENDED, time_end=ENDED, sum_before=2000, sum=2000, lines=[line], payments=[paid],
                 shift_time_beg=BEGAN)


def closed_shift():
    return known(sales.Shift, till_id=till, number=SHIFT, cash_code="72", shop_code="7", cashier="3", time_beg=BEGAN,
                 time_end=ENDED, first_number=1, last_number=1, recorded_sales=1, recorded_sale_sum=2000,
                 counted_sales=1, counted_sale_sum=2000, counted_documents=1)


def run():
    channel = grpc.insecure_channel(address)
    unload = channel.stream_stream("/tillway.sales.v1.SalesLoader/Unload",
                                   request_serializer=sales.PeerFrame.SerializeToString,
                                   response_deserializer=sales.ServerFrame.FromString)
    frames = queue.Queue()
    answers = unload(iter(frames.get, None), timeout=DEADLINE_S,
                     metadata=[("authorization", f"Bearer {token}"), ("tillway-peer", till)])
    hello = sales.Hello(schema=1, peer_id=till, shop_id=shop, agent_version="a stranger",
                        instance=str(uuid.UUID(int=7)), shifts=[SHIFT])
    frames.put(sales.PeerFrame(hello=hello))
    held = []
    for frame in answers:
        held.append(frame.holding)
        if frame.holding.last:
            break
    told = {"held": [uuid.UUID(bytes=part.receipts[at:at + 16]).hex for part in held
                     for at in range(0, len(part.receipts), 16)],
            "closed": any(part.closed for part in held)}
    if deed == "send":
        batch = sales.Batch(sequence=1, shifts=[closed_shift()],
                            documents=[document(1, RECEIPT.bytes, 1), document(2, b"no", 2)])
        frames.put(sales.PeerFrame(batch=batch))
        # The same again, as after an answer that was lost on the way.
        batch.sequence = 2
        frames.put(sales.PeerFrame(batch=batch))
        acknowledged, refused = 0, {}
        while acknowledged < 2:
            ack = next(answers).ack
            acknowledged = ack.through
            refused.update({one.document_id: one.reason for one in ack.refused})
        told.update(through=acknowledged, refused=refused)
    frames.put(None)
    assert list(answers) == []
    return told


try:
    print(json.dumps(run()))
except grpc.RpcError as error:
    print(json.dumps({"refused": error.code().name, "said": error.details()}))
