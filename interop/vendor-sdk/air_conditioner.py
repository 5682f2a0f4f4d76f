"""What does the air conditioner do? It obeys its commands and tells the temperature, until stdin ends.

usage: air_conditioner.py DEVICE_FILE DOMAIN SECONDS_BETWEEN_TEMPERATURES
"""

import json
import sys
import threading

from sdk import Device, printing, tell


class Room:
    """Warms while the air conditioner is off, cools while it is on."""

    def __init__(self):
        self.open = False
        self.temperature = 25.0

    def command(self, text):
        """Takes what the SDK has decoded once: the text that the door gave to its own SDK."""
        action = json.loads(text).get("action")
        if action in ("come_home", "leave_home"):
            self.open = action == "come_home"

    def tick(self):
        """One line, then the room goes on by half a degree."""
        with printing():
            self.temperature = max(-10.0, min(40.0, self.temperature))
            state = "open" if self.open else "close"
            tell("tick", "[air is %s] temperature %d" % (state, self.temperature))
            self.temperature += -0.5 if self.open else 0.5


def main():
    air = Device(sys.argv[1], sys.argv[2])
    air.connect()
    room = Room()
    air.listen(air.topic("control"), 1, room.command)
    end = threading.Event()

    def wait_for_the_end():
        sys.stdin.read()
        end.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    while not end.wait(float(sys.argv[3])):
        room.tick()
    air.sdk.disconnect()


if __name__ == "__main__":
    main()
