"""Runs one of PyKMIP's demonstrations in a KMIP version of our choice.

PyKMIP's demonstrations speak KMIP 1.2 unless told otherwise in their source, and have no option for it.
This sets the default of its client and then runs the demonstration as it is.

Usage: demo.py VERSION NAME [options of the demonstration]
"""

import runpy
import sys

from kmip.core import enums
from kmip.demos import utils
from kmip.services import kmip_client

version = enums.KMIPVersion["KMIP_" + sys.argv[1].replace(".", "_")]
original = kmip_client.KMIPProxy.__init__


def with_version(self, *arguments, **named):
    if named.get("kmip_version") is None:
        named["kmip_version"] = version
    original(self, *arguments, **named)


kmip_client.KMIPProxy.__init__ = with_version
# register_certificate of 0.10 forgets to say which operation's options it wants, and ends with that.
utils.build_cli_parser.__defaults__ = (enums.Operation.REGISTER,)
name = sys.argv[2]
sys.argv = [name] + sys.argv[3:]
runpy.run_module("kmip.demos.pie." + name, run_name="__main__", alter_sys=True)
