"""The canonical form of a URL, so that one article or feed has one address whatever way it was linked."""

import re
from functools import lru_cache
from urllib.parse import unquote_plus

from yarl import URL

LENGTH_MAX = 8_192
"""Characters; a longer URL is no address that servers take (RFC 9110 asks for 8,000 at least)."""

# Parameters that say who sent a reader and never what the page is, from the lists of AdGuard (general_url), ClearURLs
# and Firefox (query-stripping). courlan's pattern is wider (`session`, `source`, `cid`, `keyword`, ...) and would
# merge different pages and different search feeds, so it is not used.
_TRACKER_PREFIXES = re.compile(r"(?:utm|mtm|pk|piwik|matomo|itm|hsa|ns|at|stm|vero|oly|ga)_|__hs|_hs")
_TRACKERS = re.compile(
    r"_openstat|cmpid|dclid|fbclid|gbraid|gclid|gclsrc|hsctatracking|icid|igsh|igshid|li_fat_id|mc_cid|mc_eid|mkt_tok"
    r"|ml_subscriber|ml_subscriber_hash|msclkid|ncid|ocid|rb_clickid|s_cid|srsltid|ttclid|twclid|wbraid|wickedid"
    r"|wt[._]mc|wt_zmc|xtor|yclid|ysclid"
)
# Parameters that are trackers only when all they say is "from a feed" (nytimes: partner=rss&emc=rss).
_ORIGINS = frozenset({"emc", "from", "partner", "ref", "source", "src", "via"})
_FROM_A_FEED = frozenset({"atom", "feed", "rss"})

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_EDGES = "".join(map(chr, range(0x21)))
_INNER = str.maketrans("", "", "\t\n\r")


@lru_cache(maxsize=1_024)
def canonical_url(url: str) -> str | None:
    """The canonical form of an absolute http(s) URL; None for anything else.

    RFC 3986 section 6.2 (case of scheme and host, default port, dot segments, percent-encoding, empty path), IDNA
    for the host, and without user information, fragment and tracking parameters. Scheme, `www.`, a trailing slash
    and the order of parameters stay, since some sites tell them apart. Idempotent.
    """
    # What browsers do first (WHATWG URL, basic parser): trim controls and spaces, drop tabs and line breaks.
    text = url.strip(_EDGES).translate(_INNER)
    if len(text) > LENGTH_MAX:
        return None
    try:
        parsed = URL(text)
        scheme, host, port = parsed.scheme.lower(), parsed.raw_host, parsed.explicit_port
    except ValueError:
        return None
    if scheme not in ("http", "https") or not host:
        return None
    host = host.lower().rstrip(".")
    if ":" not in host and not _HOST.fullmatch(host):
        return None
    kept = "&".join(pair for pair in parsed.raw_query_string.split("&") if pair and not _is_tracker(pair))
    default = port is None or (scheme, port) in (("http", 80), ("https", 443))
    authority = (f"[{host}]" if ":" in host else host) + ("" if default else f":{port}")
    canonical = f"{scheme}://{authority}{parsed.raw_path or '/'}" + (f"?{kept}" if kept else "")
    return canonical if len(canonical) <= LENGTH_MAX else None


def without_userinfo(url: str) -> str:
    """A URL for logs and records: user name and password removed, otherwise as it is."""
    return re.sub(r"(?<=://)[^/?#@]*@", "", url, count=1)


def _is_tracker(pair: str) -> bool:
    name, _, value = pair.partition("=")
    name = unquote_plus(name).lower()
    if _TRACKERS.fullmatch(name) or _TRACKER_PREFIXES.match(name):
        return True
    return name in _ORIGINS and value.lower() in _FROM_A_FEED
