"""One paho client, one job, as `client` does it: prints seconds, CPU seconds, peak memory in KiB."""

import resource
import sys
import threading
import time

import paho.mqtt.client as mqtt

job, count, port, topic = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
qos = int(job[-1])
payload = bytes([7]) * 256
up, over = threading.Event(), threading.Event()
done = 0


def count_one(*_):
    global done
    done += 1
    if done == count:
        over.set()


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bench")
client.max_inflight_messages_set(100)
client.on_connect = lambda *_: up.set()
if job.startswith("publish"):
    client.on_publish = count_one
else:
    client.on_message = count_one
client.connect("127.0.0.1", port)
client.loop_start()
assert up.wait(10)
start, before = time.perf_counter(), time.process_time()
if job.startswith("publish"):
    room = threading.Semaphore(200)
    client.on_publish = lambda *_: (room.release(), count_one())
    for _ in range(count):
        room.acquire()
        client.publish(topic, payload, qos)
else:
    client.subscribe(topic, qos)
assert over.wait(120)
wall, cpu = time.perf_counter() - start, time.process_time() - before
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"{wall:.6f}\t{cpu:.6f}\t{peak}")
client.disconnect()
client.loop_stop()
