"""What does the SDK do when it is told to? Takes one command a line on stdin, as JSON; ends with stdin.

`["connect"]`, `["time"]`, `["subscribe", topic, qos]`, `["unsubscribe", topic]`, `["publish", topic, payload, qos]`,
`["disconnect"]`. usage: steered.py DEVICE_FILE DOMAIN
"""

import json
import sys

from sdk import Device, tell


def main():
    device = Device(sys.argv[1], sys.argv[2])
    commands = {
        "connect": device.connect,
        "time": lambda: tell("time", device.sdk.getNtpAccurateTime()),
        "subscribe": lambda topic, qos: device.listen(topic, qos, lambda payload: None),
        "unsubscribe": device.sdk.unsubscribe,
        "publish": device.publish,
        "disconnect": device.sdk.disconnect,
    }
    tell("ready")
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        commands[name](*arguments)
        tell("done", name)


if __name__ == "__main__":
    main()
