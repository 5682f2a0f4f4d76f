"""What does Microsoft's SDK do when it is told to? It is called as its own samples call it.

One command a line on stdin, as JSON, each answered by a line on stdout: a word, then a JSON value. The SDK's own log goes
to stderr. Ends with stdin.

`["provision", options]`, `["connect", options]`, `["telemetry", body, properties]`, `["twin"]`, `["report", patch]`,
`["storage", name]`, `["uploaded", correlation_id]`, `["disconnect"]`. What comes from the cloud is told as `message`,
`desired` and `method`; a method is answered by 200 and what it was called with, one called `refuse` by 404.
"""

import json
import logging
import sys
import threading

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse, ProvisioningDeviceClient, X509
from azure.iot.device.exceptions import ClientError, CredentialError

PRINTING = threading.Lock()


def tell(word, value=None):
    """Prints a line that the test reads."""
    with PRINTING:
        print(word, json.dumps(value), flush=True)


class Device:
    """One device, with the credentials of its options: `key`, or `certificate` and `private_key`."""

    def __init__(self):
        self.client = None

    def provision(self, options):
        common = {
            "provisioning_host": options["host"],
            "registration_id": options["registration_id"],
            "id_scope": options["id_scope"],
            "server_verification_cert": options["ca"],
            "websockets": options.get("websockets", False),
        }
        if "key" in options:
            client = ProvisioningDeviceClient.create_from_symmetric_key(symmetric_key=options["key"], **common)
        else:
            client = ProvisioningDeviceClient.create_from_x509_certificate(x509=x509(options), **common)
        client.provisioning_payload = options.get("payload")
        result = client.register()
        state = result.registration_state
        # The SDK hands it over as JSON text.
        payload = state.response_payload
        tell(
            "provisioned",
            {
                "status": result.status,
                "hub": state.assigned_hub,
                "device_id": state.device_id,
                "substatus": state.sub_status,
                "payload": payload and json.loads(payload),
            },
        )

    def connect(self, options):
        common = {
            "hostname": options["hub"],
            "device_id": options["device_id"],
            "server_verification_cert": options["ca"],
            "websockets": options.get("websockets", False),
            "connection_retry": options.get("retry", True),
            "product_info": "skytether-interop",
        }
        if "key" in options:
            client = IoTHubDeviceClient.create_from_symmetric_key(
                symmetric_key=options["key"], sastoken_ttl=options.get("ttl", 3600), **common
            )
        else:
            client = IoTHubDeviceClient.create_from_x509_certificate(x509=x509(options), **common)
        self.client = client
        client.on_connection_state_change = lambda: tell("connected" if client.connected else "disconnected")
        client.connect()
        client.on_message_received = self.on_message
        client.on_twin_desired_properties_patch_received = lambda patch: tell("desired", patch)
        client.on_method_request_received = self.on_method
        tell("ready")

    def on_message(self, message):
        tell(
            "message",
            {
                "body": message.data.decode(),
                "id": message.message_id,
                "content_type": message.content_type,
                "properties": message.custom_properties,
            },
        )

    def on_method(self, request):
        tell("method", {"name": request.name, "payload": request.payload})
        status = 404 if request.name == "refuse" else 200
        self.client.send_method_response(MethodResponse.create_from_method_request(request, status, request.payload))

    def telemetry(self, body, properties):
        message = Message(body, content_encoding="utf-8", content_type="application/json")
        message.custom_properties.update(properties)
        self.client.send_message(message)
        tell("sent")

    def twin(self):
        tell("twin", self.client.get_twin())

    def report(self, patch):
        self.client.patch_twin_reported_properties(patch)
        tell("reported")

    def storage(self, name):
        tell("storage", self.client.get_storage_info_for_blob(name))

    def uploaded(self, correlation):
        self.client.notify_blob_upload_status(correlation, True, 200, "ok")
        tell("notified")

    def disconnect(self):
        self.client.shutdown()
        tell("gone")


def x509(options):
    return X509(cert_file=options["certificate"], key_file=options["private_key"])


def main():
    logging.basicConfig(level=logging.INFO)
    device = Device()
    commands = {
        "provision": device.provision,
        "connect": device.connect,
        "telemetry": device.telemetry,
        "twin": device.twin,
        "report": device.report,
        "storage": device.storage,
        "uploaded": device.uploaded,
        "disconnect": device.disconnect,
    }
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            commands[name](*arguments)
        except (ClientError, CredentialError) as error:
            tell("failed", {"kind": type(error).__name__, "cause": type(error.__cause__).__name__, "text": str(error)})


if __name__ == "__main__":
    main()
