"""What may leave the machine: with `local_only`, nothing."""

import ipaddress
from urllib.parse import urlsplit

from ragtuned_kedro.schemas.errors import UserError


def check_egress(url: str, egress: str, *, setting: str) -> None:
    """Refuse an endpoint that is not on this machine, unless `egress` is any.

    A name other than localhost is refused without being looked up: the look-up itself would tell
    a name server about it.

    Raises:
        UserError: If `egress` is local_only and the host of `url` is not a loopback address.
    """
    host = urlsplit(url).hostname or ""
    if egress == "any" or is_loopback(url):
        return
    raise UserError(
        f"{setting}.egress is local_only, and {setting}.url names {host or 'no host'}, which is "
        "not a loopback address (localhost, 127.x.x.x, ::1). Nothing was sent. To let the text "
        f"of your documents go there, set {setting}.egress to any"
    )


def is_loopback(url: str) -> bool:
    """Tell whether a URL names this machine, without looking any name up."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
