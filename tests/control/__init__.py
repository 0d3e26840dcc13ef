"""Tests of the control socket: protocol, places, server, client, and hostile bytes."""
