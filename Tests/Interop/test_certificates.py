"""Certificates of signal: one of its own at the first start, and given ones read anew on SIGHUP."""

import os
import signal
import ssl
import stat
import urllib.request

from cluster import Cluster
from waiting import wait_until
from wire import Wire, unique


def served(cluster: Cluster) -> str:
    """The certificate that a new connection is given, as PEM."""
    return ssl.get_server_certificate(("127.0.0.1", cluster.https_port))


def without_certificate(cluster: Cluster) -> Cluster:
    for flag in ("--certificate", "--private-key"):
        at = cluster.arguments.index(flag)
        del cluster.arguments[at : at + 2]
    return cluster


def test_a_certificate_of_its_own_is_made_at_the_first_start_and_served_from_then_on():
    with without_certificate(Cluster()) as cluster:
        made = cluster.run / "certificate.pem"
        assert served(cluster).split() == made.read_text().split()
        assert stat.S_IMODE((cluster.run / "private-key.pem").stat().st_mode) == 0o600
        # Who takes it for good reaches the pages by name and by address, and the socket.
        context = ssl.create_default_context(cafile=str(made))
        for host in ("localhost", "127.0.0.1"):
            with urllib.request.urlopen(f"https://{host}:{cluster.https_port}/", context=context, timeout=5) as page:
                assert page.status == 200 and b"<html" in page.read()
        with Wire(cluster.https_url()) as client:
            client.hello(unique("Ann"))
        before = served(cluster)
        old = cluster.kill("signal-1", signal.SIGTERM)
        cluster.wait_restarted("signal-1", old)
        assert served(cluster) == before


def test_a_new_certificate_is_served_after_sighup_and_a_broken_one_is_not():
    with Cluster() as cluster, Wire(cluster.https_url()) as client:
        client.hello(unique("Ann"))
        first = served(cluster)
        pid = cluster.service("signal-1").pid
        cluster._make_certificate()
        assert served(cluster) == first, "read before it was said"
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: served(cluster) != first, "the new certificate is served", 5)
        second = served(cluster)
        assert second.split() == (cluster.certificate / "cluster.pem").read_text().split()
        (cluster.certificate / "cluster.pem").write_text("nonsense")
        os.kill(pid, signal.SIGHUP)
        log = cluster.run / "signal-1.log"
        wait_until(lambda: "cannot reload" in log.read_text(), "the log says so", 5)
        assert served(cluster) == second
        # Who was there is there, on the certificate of then.
        client.start("ping")
        client.until(lambda: any(m["type"] == "pong" for m in client.other), "a pong")
        assert cluster.service("signal-1").pid == pid
