"""What does the door do? It tells the air conditioner that someone comes or leaves, and is gone.

usage: door.py DEVICE_FILE DOMAIN come_home|leave_home
"""

import sys
import time

from sdk import Device, tell


def main():
    door = Device(sys.argv[1], sys.argv[2])
    door.connect()
    # A string that already is JSON: the SDK encodes it once more.
    text = '{"action": "%s", "targetDevice": "AirConditioner1"}' % sys.argv[3]
    mid = door.publish(door.topic("event"), text, 1)
    while not door.is_acknowledged(mid):
        tell("waiting")
        time.sleep(1)
    door.sdk.disconnect()


if __name__ == "__main__":
    main()
