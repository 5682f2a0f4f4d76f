"""How do the scripts use the vendor's SDK? It is called as its own samples call it; what it reports is printed.

One line each on stdout: a word, then a JSON value. The SDK's own log goes to stderr.
"""

import json
import os
import sys
import threading
import time

from hub.hub import QcloudHub

_PRINTING = threading.RLock()


def tell(word, value=None):
    """Prints a line that the test reads."""
    with _PRINTING:
        print(word, json.dumps(value), flush=True)


class Device:
    """One device; the SDK has one connection a process."""

    def __init__(self, device_file, domain):
        self.sdk = QcloudHub(device_file=device_file, tls=False, domain=domain).hub
        # Without a file the SDK does not log the packets; what it logs goes to stderr too.
        log = "%s.%d.log" % (device_file, os.getpid())
        self.sdk.logInit(self.sdk.LoggerLevel.DEBUG, log, 1 << 20, 1, enable=True)
        self.sdk.registerMqttCallback(
            lambda session_present, rc, userdata: tell("connected", {"session": session_present, "code": rc}),
            lambda rc, userdata: tell("disconnected", rc),
            lambda topic, qos, payload, userdata: tell("other", {"topic": topic, "qos": qos, "payload": payload}),
            self._on_publish,
            # The SDK hands over the granted QoS first, then the id: its samples have them the other way round.
            lambda qos, mid, userdata: tell("granted", {"id": mid, "qos": qos}),
            lambda mid, userdata: tell("unsubscribed", mid),
        )
        self.product = self.sdk.getProductID()
        self.name = self.sdk.getDeviceName()
        self._acknowledged = set()

    def _on_publish(self, mid, userdata):
        self._acknowledged.add(mid)
        tell("published", mid)

    def topic(self, name):
        """The whole topic of one of the device's classes."""
        return "%s/%s/%s" % (self.product, self.name, name)

    def connect(self):
        """Connects, and looks at 0, 1, 2 and 3 seconds whether it worked. Ends the program if not."""
        self.sdk.connect()
        for look in range(4):
            if self.sdk.isMqttConnected():
                return
            if look < 3:
                time.sleep(1)
        tell("not_connected")
        sys.exit(1)

    def listen(self, topic, qos, callback):
        """Subscribes; `callback` gets what the SDK makes of each payload."""

        def on_message(topic, qos, payload, userdata):
            with _PRINTING:
                tell("message", {"topic": topic, "qos": qos, "payload": payload})
                callback(payload)

        self.sdk.registerUserCallback(topic, on_message)
        return self.sdk.subscribe(topic, qos)

    def publish(self, topic, payload, qos):
        """Publishes; the packet id."""
        rc, mid = self.sdk.publish(topic, payload, qos)
        if rc != 0:
            tell("not_published", rc)
            sys.exit(1)
        return mid

    def is_acknowledged(self, mid):
        """Whether the SDK has told of the PUBACK."""
        return mid in self._acknowledged


def printing():
    """Held while what is printed and what it stands for change together."""
    return _PRINTING
