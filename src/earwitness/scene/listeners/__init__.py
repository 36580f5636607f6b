"""Listeners: each hears one kind of thing and reports observations."""

import os

# How the threads of the speech model wait for each other: asleep. Spinning, as is their default, made decoding eight
# times slower on a machine whose cores had other work. The runtime reads this when it is loaded, which any listener may
# cause; a caller's own setting stays.
for _name, _value in {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}.items():
    os.environ.setdefault(_name, _value)
