"""Every operation of PyKMIP's clients against a KMIP server, in one KMIP version.

ProxyKmipClient's methods first, KMIPProxy's where it has no method of its own. Each answer is looked into,
not only its status. One line per check on standard output, `ok NAME` or `failed NAME: REASON`; what a
version does not have must be refused as not supported, and says so. Exits with 1 when a check has failed.

Usage: every_operation.py CONFIG_FILE VERSION
"""

import hashlib
import hmac
import logging
import sys
import time

from kmip.core import enums, objects as core_objects, primitives
from kmip.core.factories.attribute_values import AttributeValueFactory
from kmip.core.factories.attributes import AttributeFactory
from kmip.core.messages.contents import ProtocolVersion
from kmip.core import exceptions as core_exceptions
from kmip.pie import client as pie_client, exceptions, objects

AES = enums.CryptographicAlgorithm.AES
RSA = enums.CryptographicAlgorithm.RSA
MASK = enums.CryptographicUsageMask
ATTRIBUTE = enums.AttributeType
KEY_BYTES = bytes(range(16))
IV = bytes(range(16, 32))
CBC = {
    "cryptographic_algorithm": AES,
    "block_cipher_mode": enums.BlockCipherMode.CBC,
    "padding_method": enums.PaddingMethod.PKCS5,
}
RSA_SHA256 = {
    "cryptographic_algorithm": RSA,
    "hashing_algorithm": enums.HashingAlgorithm.SHA_256,
    "padding_method": enums.PaddingMethod.PKCS1v15,
}
AES_KEY_WRAP = {
    "wrapping_method": enums.WrappingMethod.ENCRYPT,
    "encoding_option": enums.EncodingOption.NO_ENCODING,
}
# Result Reason: Operation Not Supported, as TTLV.
OPERATION_NOT_SUPPORTED = bytes.fromhex("42007e" "05" "00000004" "00000005")

logging.disable(logging.CRITICAL)


def same(found, expected):
    """Raises when two values differ."""
    if found != expected:
        raise AssertionError("expected {!r}, found {!r}".format(expected, found))


def holds(condition, what):
    """Raises when a condition does not hold."""
    if not condition:
        raise AssertionError(what)


class Checks:
    """The checks of one version, in the order in which they are written."""

    def __init__(self, client, version):
        self.client = client
        self.version = version
        self.factory = AttributeFactory()
        self.prefix = "pykmip {} {}".format(version, time.time_ns())
        self.failed = 0
        self.names = 0
        self.answer = b""
        self._keep_answers(client.proxy)

    def _keep_answers(self, proxy):
        """Keeps the bytes of the last answer, for what PyKMIP cannot read of it."""
        receive = proxy._receive_message

        def keep():
            stream = receive()
            self.answer = stream.buffer
            return stream

        proxy._receive_message = keep

    def run(self):
        names = [name for name in vars(type(self)) if name.startswith("check_")]
        for name in names:
            self._one(name)
        passed = len(names) - self.failed
        print("{} passed, {} failed".format(passed, self.failed))
        return self.failed == 0

    def _one(self, name):
        check = getattr(self, name)
        label = name[len("check_"):]
        since = getattr(check, "since", (1, 0))
        try:
            if self.version < since:
                self._refused(check)
                label += " (refused before {}.{})".format(*since)
            else:
                check()
            print("ok {}".format(label), flush=True)
        except Exception as error:
            self.failed += 1
            reason = "{}: {}".format(type(error).__name__, error)
            print("failed {}: {}".format(label, reason.replace("\n", " ")), flush=True)

    def _refused(self, check):
        """A check whose operation this version does not have."""
        try:
            check()
        except exceptions.KmipOperationFailure as error:
            same(error.reason, enums.ResultReason.OPERATION_NOT_SUPPORTED)
            return
        except core_exceptions.VersionNotSupported:  # PyKMIP knows it by itself, and sends nothing
            return
        raise AssertionError("it was not refused")

    # What several checks need.

    def named(self, name):
        return "{} {}".format(self.prefix, name)

    def fresh_name(self):
        """A name that nothing has: PyKMIP gives all objects of a kind the same one."""
        self.names += 1
        return self.named("object {}".format(self.names))

    def fresh_key(self, *masks):
        masks = list(masks) or [MASK.ENCRYPT, MASK.DECRYPT]
        uid = self.client.create(AES, 256, cryptographic_usage_mask=masks)
        self.client.activate(uid)
        return uid

    def known_key(self, *masks, value=KEY_BYTES, algorithm=AES):
        key = objects.SymmetricKey(
            algorithm, len(value) * 8, value, masks=list(masks), name=self.fresh_name())
        uid = self.client.register(key)
        self.client.activate(uid)
        return uid

    def attribute(self, uid, name):
        _, attributes = self.client.get_attributes(uid, [name])
        same([one.attribute_name.value for one in attributes], [name])
        return attributes[0].attribute_value

    def state(self, uid):
        return self.attribute(uid, "State").value

    def refuses(self, reasons, call):
        try:
            call()
        except exceptions.KmipOperationFailure as error:
            holds(error.reason in reasons, "refused with {}".format(error.reason))
            return
        raise AssertionError("it was not refused")

    def round_trip(self, managed):
        uid = self.client.register(managed)
        found = self.client.get(uid)
        same(type(found), type(managed))
        same(found.value, managed.value)
        return uid

    # Objects: made, registered, read.

    def check_create(self):
        name = self.named("create")
        uid = self.client.create(AES, 256, name=name)
        key = self.client.get(uid)
        same(key.cryptographic_algorithm, AES)
        same(key.cryptographic_length, 256)
        same(len(key.value), 32)
        same(self.attribute(uid, "Name").name_value.value, name)

    def check_create_key_pair(self):
        public_uid, private_uid = self.client.create_key_pair(
            RSA,
            2048,
            public_name=self.named("public"),
            public_usage_mask=[MASK.VERIFY],
            private_name=self.named("private"),
            private_usage_mask=[MASK.SIGN],
        )
        public, private = self.client.get(public_uid), self.client.get(private_uid)
        same(type(public), objects.PublicKey)
        same(type(private), objects.PrivateKey)
        same((public.cryptographic_length, private.cryptographic_length), (2048, 2048))

    def check_register_symmetric_key(self):
        self.round_trip(objects.SymmetricKey(AES, 128, KEY_BYTES, name=self.named("symmetric")))

    def check_register_key_pair(self):
        public_uid, private_uid = self.client.create_key_pair(
            RSA, 2048, public_usage_mask=[MASK.VERIFY], private_usage_mask=[MASK.SIGN])
        for uid in (public_uid, private_uid):
            key = self.client.get(uid)
            key.names = [self.fresh_name()]
            self.round_trip(key)

    def check_register_secret_data(self):
        kind = enums.SecretDataType.PASSWORD
        self.round_trip(objects.SecretData(b"not a good password", kind, name=self.fresh_name()))

    def check_register_opaque_object(self):
        kind = enums.OpaqueDataType.NONE
        self.round_trip(objects.OpaqueObject(b"opaque", kind, name=self.fresh_name()))

    def check_register_certificate(self):
        self.round_trip(objects.X509Certificate(self.certificate(), name=self.fresh_name()))

    def certificate(self):
        """The certificate of this client, as DER."""
        import ssl
        with open(self.client.proxy.certfile, encoding="ascii") as file:
            return ssl.PEM_cert_to_DER_cert(file.read())

    def check_register_split_key(self):
        self.round_trip(objects.SplitKey(
            cryptographic_algorithm=AES,
            cryptographic_length=128,
            key_value=KEY_BYTES,
            name=self.named("split"),
            cryptographic_usage_masks=[MASK.EXPORT],
            key_format_type=enums.KeyFormatType.RAW,
            split_key_parts=3,
            key_part_identifier=1,
            split_key_threshold=2,
            split_key_method=enums.SplitKeyMethod.XOR,
        ))

    def check_get_wrapped(self):
        wrapping = self.known_key(MASK.WRAP_KEY, MASK.UNWRAP_KEY)
        inner = bytes(range(32, 48))
        uid = self.known_key(MASK.ENCRYPT, value=inner)
        parameters = {"block_cipher_mode": enums.BlockCipherMode.NIST_KEY_WRAP}
        specification = dict(AES_KEY_WRAP, encryption_key_information={
            "unique_identifier": wrapping, "cryptographic_parameters": parameters})
        try:
            self.client.get(uid, key_wrapping_specification=specification)
        except core_exceptions.ReadValueError:
            pass  # PyKMIP wants a structure; KMIP 1.2 section 2.1.3 has a byte string where it is wrapped
        header = bytes.fromhex("420045" "08" "00000018")
        start = self.answer.index(header) + len(header)
        from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
        same(aes_key_unwrap(KEY_BYTES, self.answer[start:start + 24]), inner)

    def check_get_of_nothing(self):
        reasons = [enums.ResultReason.ITEM_NOT_FOUND, enums.ResultReason.OBJECT_NOT_FOUND]
        self.refuses(reasons, lambda: self.client.get("no such object"))

    # Finding and describing.

    def check_locate(self):
        name = self.named("locate")
        uid = self.client.create(AES, 128, name=name)
        by_name = self.factory.create_attribute(ATTRIBUTE.NAME, name)
        same(self.client.locate(attributes=[by_name]), [uid])
        kind = self.factory.create_attribute(ATTRIBUTE.OBJECT_TYPE, enums.ObjectType.PUBLIC_KEY)
        same(self.client.locate(attributes=[by_name, kind]), [])
        length = self.factory.create_attribute(ATTRIBUTE.CRYPTOGRAPHIC_LENGTH, 128)
        found = self.client.locate(attributes=[length], maximum_items=1)
        same(len(found), 1)

    def check_locate_by_date(self):
        name = self.factory.create_attribute(ATTRIBUTE.NAME, self.named("dated"))
        uid = self.client.create(AES, 128, name=self.named("dated"))
        now = int(time.time())
        dates = [self.factory.create_attribute(ATTRIBUTE.INITIAL_DATE, now + shift)
                 for shift in (-60, 60)]
        same(self.client.locate(attributes=[name] + dates), [uid])

    def check_get_attribute_list(self):
        uid = self.client.create(AES, 128, name=self.named("list"))
        names = self.client.get_attribute_list(uid)
        same(names, sorted(names))
        expected = ["Cryptographic Algorithm", "Cryptographic Length", "Initial Date", "Name",
                    "Object Type", "State", "Unique Identifier"]
        same([one for one in expected if one not in names], [])

    def check_get_attributes(self):
        uid = self.client.create(AES, 192)
        # Not all: PyKMIP ends at the first attribute that it does not know, such as Original Creation
        # Date, and at a Digest of 1.0, which has no Key Format Type yet.
        names = ["Cryptographic Algorithm", "Cryptographic Length", "State", "Unique Identifier"]
        found, attributes = self.client.get_attributes(uid, names)
        same(found, uid)
        values = {one.attribute_name.value: one.attribute_value for one in attributes}
        same(values["Cryptographic Length"].value, 192)
        same(values["Cryptographic Algorithm"].value, AES)
        same(values["State"].value, enums.State.PRE_ACTIVE)
        same(values["Unique Identifier"].value, uid)

    def check_modify_attribute(self):
        uid = self.client.create(AES, 128, name=self.named("before"))
        after = self.named("after")
        if self.version < (2, 0):
            new = self.factory.create_attribute(ATTRIBUTE.NAME, after, index=0)
            self.client.modify_attribute(uid, attribute=new)
        else:
            self.client.modify_attribute(
                uid,
                current_attribute=core_objects.CurrentAttribute(
                    attribute=self.name_value(self.named("before"))),
                new_attribute=core_objects.NewAttribute(attribute=self.name_value(after)),
            )
        same(self.attribute(uid, "Name").name_value.value, after)

    def name_value(self, name):
        return AttributeValueFactory().create_attribute_value_by_enum(enums.Tags.NAME, name)

    def check_delete_attribute(self):
        name = self.named("deleted")
        uid = self.client.create(AES, 128, name=name)
        if self.version < (2, 0):
            _, deleted = self.client.delete_attribute(
                uid, attribute_name="Name", attribute_index=0)
            same(deleted.attribute_value.name_value.value, name)
        else:
            current = core_objects.CurrentAttribute(attribute=self.name_value(name))
            self.client.delete_attribute(uid, current_attribute=current)
        holds("Name" not in self.client.get_attribute_list(uid), "the name is still there")

    def check_delete_attribute_by_reference(self):
        if self.version < (2, 0):
            return
        uid = self.client.create(AES, 128, name=self.named("referred"))
        reference = core_objects.AttributeReference(
            vendor_identification="", attribute_name="Name")
        self.client.delete_attribute(uid, attribute_reference=reference)
        holds("Name" not in self.client.get_attribute_list(uid), "the name is still there")

    def check_set_attribute(self):
        uid = self.client.create(AES, 128)
        self.client.set_attribute(uid, attribute_name="Sensitive", attribute_value=True)
        same(self.attribute(uid, "Sensitive").value, True)
    check_set_attribute.since = (2, 0)

    # Life cycle.

    def check_activate(self):
        uid = self.client.create(AES, 128)
        same(self.state(uid), enums.State.PRE_ACTIVE)
        self.client.activate(uid)
        same(self.state(uid), enums.State.ACTIVE)

    def check_revoke(self):
        uid = self.fresh_key()
        self.client.revoke(
            enums.RevocationReasonCode.KEY_COMPROMISE,
            uid,
            "found in a drawer",
            int(time.time()),
        )
        same(self.state(uid), enums.State.COMPROMISED)
        uid = self.fresh_key()
        self.client.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid)
        same(self.state(uid), enums.State.DEACTIVATED)

    def check_destroy(self):
        uid = self.client.create(AES, 128)
        self.client.destroy(uid)
        reasons = [enums.ResultReason.ITEM_NOT_FOUND, enums.ResultReason.OBJECT_DESTROYED]
        self.refuses(reasons, lambda: self.client.get(uid))

    def check_destroy_of_an_active_key(self):
        uid = self.fresh_key()
        reasons = [enums.ResultReason.PERMISSION_DENIED]
        self.refuses(reasons, lambda: self.client.destroy(uid))
        same(self.state(uid), enums.State.ACTIVE)

    def check_rekey(self):
        uid = self.fresh_key()
        new = self.client.rekey(uid=uid, offset=0)
        holds(new != uid, "the new key has the identifier of the old one")
        holds(self.client.get(new).value != self.client.get(uid).value, "the same bytes")

    def check_check(self):
        uid = self.fresh_key(MASK.ENCRYPT)
        same(self.client.check(uid, cryptographic_usage_mask=[MASK.ENCRYPT]), uid)

    def check_derive_key(self):
        uid = self.known_key(MASK.DERIVE_KEY)
        derived = self.client.derive_key(
            enums.ObjectType.SYMMETRIC_KEY,
            [uid],
            enums.DerivationMethod.PBKDF2,
            {
                "cryptographic_parameters": {
                    "hashing_algorithm": enums.HashingAlgorithm.SHA_256},
                "salt": b"salt",
                "iteration_count": 1000,
            },
            cryptographic_length=256,
            cryptographic_algorithm=AES,
        )
        expected = hashlib.pbkdf2_hmac("sha256", KEY_BYTES, b"salt", 1000, 32)
        same(self.client.get(derived).value, expected)

    # Cryptography.

    def check_encrypt(self):
        uid = self.known_key(MASK.ENCRYPT, MASK.DECRYPT)
        data, _ = self.client.encrypt(b"plaintext", uid, CBC, IV)
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        cipher = Cipher(algorithms.AES(KEY_BYTES), modes.CBC(IV)).encryptor()
        same(data, cipher.update(b"plaintext" + bytes([7]) * 7) + cipher.finalize())
    check_encrypt.since = (1, 2)

    def check_decrypt(self):
        uid = self.known_key(MASK.ENCRYPT, MASK.DECRYPT)
        data, _ = self.client.encrypt(b"plaintext", uid, CBC, IV)
        same(self.client.decrypt(data, uid, CBC, IV), b"plaintext")
    check_decrypt.since = (1, 2)

    def check_sign_and_signature_verify(self):
        public, private = self.client.create_key_pair(
            RSA, 2048, public_usage_mask=[MASK.VERIFY], private_usage_mask=[MASK.SIGN])
        self.client.activate(public)
        self.client.activate(private)
        signature = self.client.sign(b"message", private, RSA_SHA256)
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
        self.public_key(public).verify(
            signature, b"message", padding.PKCS1v15(), hashes.SHA256())
        verify = self.client.signature_verify
        same(verify(b"message", signature, public, RSA_SHA256), enums.ValidityIndicator.VALID)
        same(verify(b"another", signature, public, RSA_SHA256), enums.ValidityIndicator.INVALID)
    check_sign_and_signature_verify.since = (1, 2)

    def public_key(self, uid):
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
        from cryptography.hazmat.primitives.serialization import load_der_public_key
        value = self.client.get(uid).value
        try:
            return load_der_public_key(value)
        except ValueError:
            raise AssertionError("no DER public key: {}".format(value.hex()))

    def check_mac(self):
        uid = self.known_key(
            MASK.MAC_GENERATE, MASK.MAC_VERIFY,
            algorithm=enums.CryptographicAlgorithm.HMAC_SHA256)
        found, data = self.client.mac(
            b"message", uid, enums.CryptographicAlgorithm.HMAC_SHA256)
        same(found, uid)
        same(data, hmac.new(KEY_BYTES, b"message", "sha256").digest())
    check_mac.since = (1, 2)

    # What only KMIPProxy has.

    def check_query(self):
        result = self.client.proxy.query(query_functions=[
            enums.QueryFunction.QUERY_OPERATIONS,
            enums.QueryFunction.QUERY_OBJECTS,
            enums.QueryFunction.QUERY_SERVER_INFORMATION,
        ])
        same(result.result_status.value, enums.ResultStatus.SUCCESS)
        operations = list(result.operations)
        for one in (enums.Operation.CREATE, enums.Operation.GET, enums.Operation.LOCATE):
            holds(one in operations, "{} is not among the operations".format(one))
        same(enums.Operation.ENCRYPT in operations, self.version >= (1, 2))
        holds(enums.ObjectType.SYMMETRIC_KEY in result.object_types, "no symmetric keys")
        holds(result.vendor_identification, "no vendor")

    def check_discover_versions(self):
        try:
            result = self.client.proxy.discover_versions()
        except AttributeError:  # PyKMIP reads the payload of a refusal, which has none
            holds(OPERATION_NOT_SUPPORTED in self.answer, "refused for another reason")
            raise exceptions.KmipOperationFailure(
                enums.ResultStatus.OPERATION_FAILED,
                enums.ResultReason.OPERATION_NOT_SUPPORTED,
                "")
        same(result.result_status.value, enums.ResultStatus.SUCCESS)
        offered = [(one.major, one.minor) for one in result.protocol_versions]
        same(offered, sorted(offered, reverse=True))
        holds(self.version in offered, "{} is not offered".format(self.version))
        result = self.client.proxy.discover_versions(protocol_versions=[ProtocolVersion(1, 1)])
        same([(one.major, one.minor) for one in result.protocol_versions], [(1, 1)])
    check_discover_versions.since = (1, 1)

    def check_rekey_key_pair(self):
        _, private = self.client.create_key_pair(
            RSA, 2048, public_usage_mask=[MASK.VERIFY], private_usage_mask=[MASK.SIGN])
        result = self.client.proxy.rekey_key_pair(
            private_key_uuid=core_private_key_identifier(private))
        if result.result_status.value != enums.ResultStatus.SUCCESS:
            raise exceptions.KmipOperationFailure(
                result.result_status.value,
                result.result_reason.value,
                result.result_message.value)
        holds(result.private_key_uuid != private, "the same identifier")
        same(type(self.client.get(result.public_key_uuid)), objects.PublicKey)
    check_rekey_key_pair.since = (1, 1)

    def check_two_requests_on_one_connection_after_a_refusal(self):
        reasons = [enums.ResultReason.ITEM_NOT_FOUND, enums.ResultReason.OBJECT_NOT_FOUND]
        self.refuses(reasons, lambda: self.client.destroy("no such object"))
        same(len(self.client.get(self.client.create(AES, 128)).value), 16)


def core_private_key_identifier(uid):
    """The identifier as KMIPProxy wants it."""
    from kmip.core import attributes
    return attributes.PrivateKeyUniqueIdentifier(uid)


def main():
    config_file, text = sys.argv[1:]
    version = tuple(int(part) for part in text.split("."))
    client = pie_client.ProxyKmipClient(
        config_file=config_file,
        kmip_version=enums.KMIPVersion["KMIP_{}_{}".format(*version)],
    )
    with client:
        return Checks(client, version).run()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
