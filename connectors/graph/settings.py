"""What the settings of Facebook and of Instagram must both be."""

from connectors.addresses import host_of


def check_graph_settings(base_url: str, version: str) -> None:
    """Raise ValueError in words for the operator where an address or version cannot be one."""
    if not base_url.startswith(("https://", "http://")) or not host_of(base_url):
        raise ValueError('base_url: an address such as "https://graph.facebook.com"')
    whole, _, part = version.removeprefix("v").partition(".")
    if not (whole.isdigit() and part.isdigit()):
        raise ValueError('graph_version: a version such as "v26.0"')
