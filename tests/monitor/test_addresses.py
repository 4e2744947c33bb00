"""Which addresses may be pressed: posts of the known platforms, and no page that leads on elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.addresses import host_of, parts_of
from monitor.addresses import may_be_pressed, post_address

POSTS = {
    "https://x.com/sam_example/status/99": "https://x.com/i/web/status/99",
    "https://twitter.com/sam_example/status/99?s=20&t=abc": "https://x.com/i/web/status/99",
    "https://mobile.twitter.com/sam_example/status/99/photo/1": "https://x.com/i/web/status/99",
    "https://x.com/i/web/status/99": "https://x.com/i/web/status/99",
    "https://www.facebook.com/sam.example/posts/123456": "https://www.facebook.com/123456",
    "https://m.facebook.com/sam.example/videos/123456/": "https://www.facebook.com/123456",
    "https://www.facebook.com/permalink.php?story_fbid=pfbid0abcdefghijk&id=100": (
        "https://www.facebook.com/permalink.php?story_fbid=pfbid0abcdefghijk&id=100"
    ),
    "https://m.facebook.com/story.php?story_fbid=5&id=100&refid=17": (
        "https://www.facebook.com/permalink.php?story_fbid=5&id=100"
    ),
    "https://www.facebook.com/photo/?fbid=77&set=a.1": "https://www.facebook.com/photo.php?fbid=77",
    "https://www.facebook.com/groups/12/permalink/34/": "https://www.facebook.com/groups/12/permalink/34",
    "https://www.facebook.com/share/p/1AbCdEfGhI/?mibextid=wwXIfr": "https://www.facebook.com/share/p/1AbCdEfGhI/",
    "https://www.facebook.com/watch/?v=88": "https://www.facebook.com/watch/?v=88",
    "https://www.instagram.com/p/CxAbC_1-2/?igsh=a": "https://www.instagram.com/p/CxAbC_1-2/",
    "https://www.instagram.com/sam.example/reel/CxAbC12/": "https://www.instagram.com/reel/CxAbC12/",
    "https://www.linkedin.com/feed/update/urn:li:activity:7123/": (
        "https://www.linkedin.com/feed/update/urn:li:activity:7123/"
    ),
    "https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A7123": (
        "https://www.linkedin.com/feed/update/urn:li:share:7123/"
    ),
    "https://uk.linkedin.com/posts/sam-example_charity-activity-7123-AbCd?utm_source=share": (
        "https://www.linkedin.com/feed/update/urn:li:activity:7123/"
    ),
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=4s": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ&lc=UgzAbCdEfGhIj": (
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ&lc=UgzAbCdEfGhIj"
    ),
    "https://youtu.be/dQw4w9WgXcQ?si=abc": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "https://m.youtube.com/shorts/dQw4w9WgXcQ": "https://www.youtube.com/shorts/dQw4w9WgXcQ",
}
LEAD_ON = (
    "https://www.youtube.com/redirect?q=https://evil.example",
    "https://www.youtube.com/redirect?q=evil.example&v=dQw4w9WgXcQ",
    "https://youtube.com/attribution_link?u=/watch%3Fv%3Ddq%26next%3Dhttps://evil.example",
    "https://www.youtube.com/signin?next=https%3A%2F%2Fevil.example",
    "https://youtu.be/redirect?q=https://evil.example",
    "https://www.facebook.com/l.php?u=https%3A%2F%2Fevil.example",
    "https://l.facebook.com/l.php?u=evil.example",
    "https://lm.facebook.com/l.php?u=evil.example",
    "https://www.facebook.com/flx/warn/?u=evil.example",
    "https://www.facebook.com/sharer/sharer.php?u=https://evil.example",
    "https://www.facebook.com/login/?next=https%3A%2F%2Fevil.example",
    "https://www.facebook.com/dialog/oauth?redirect_uri=https://evil.example",
    "https://l.instagram.com/?u=https%3A%2F%2Fevil.example",
    "https://www.instagram.com/linkshim/?u=https%253A%252F%252Fevil.example",
    "https://www.instagram.com/accounts/login/?next=//evil.example",
    "https://www.linkedin.com/redir/redirect?url=https%3A%2F%2Fevil.example",
    "https://www.linkedin.com/redir/suspicious-page?url=evil.example",
    "https://www.linkedin.com/safety/go?url=evil.example",
    "https://www.linkedin.com/shareArticle?mini=true&url=https://evil.example",
    "https://www.linkedin.com/authwall?sessionRedirect=https%3A%2F%2Fevil.example",
    "https://lnkd.in/abc",
    "https://t.co/abc",
    "https://fb.me/abc",
    "https://x.com/i/redirect?url=https%3A%2F%2Fevil.example",
    "https://x.com/intent/post?url=https://evil.example",
    "https://twitter.com/login?redirect_after_login=https://evil.example",
    "https://x.com/i/flow/login?redirect_after_login=%2F%2Fevil.example",
)
NEVER = (
    *LEAD_ON,
    "https://x.com@evil.example/a/status/1",
    "https://user:pass@x.com.evil.example/a/status/1",
    "https://x.com\\@evil.example/a/status/1",
    "https://evil.example\\.x.com/a/status/1",
    "https://x.com.evil.example/a/status/1",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://[",
    "https://[::1",
    "https://x.com:port/a/status/1",
    "https://",
    "",
)


@pytest.mark.parametrize(("url", "made"), POSTS.items(), ids=list(POSTS))
def test_a_post_is_pressable_by_an_address_made_anew_and_without_a_name(url: str, made: str) -> None:
    assert post_address(url) == made
    assert "example" not in post_address(url)
    assert may_be_pressed(post_address(url))


@pytest.mark.parametrize("url", NEVER)
def test_what_leads_elsewhere_or_is_no_address_of_a_post_is_never_pressable_in_a_tip(url: str) -> None:
    assert post_address(url) == ""


@pytest.mark.parametrize("url", [*LEAD_ON, *(url for url in NEVER[-13:] if "x.com.evil" not in url or "@" in url)])
def test_what_leads_elsewhere_is_not_pressable_where_a_platform_gave_it_either(url: str) -> None:
    assert not may_be_pressed(url)


@pytest.mark.parametrize(
    "home", ["https://www.facebook.com/", "https://x.com/sam_example", "https://www.youtube.com/@sam"]
)
def test_a_page_of_a_known_host_that_is_no_post_is_not_pressable_in_a_tip(home: str) -> None:
    assert post_address(home) == ""


@pytest.mark.parametrize(
    "url",
    [
        *POSTS,
        "https://www.facebook.com/123/posts/pfbid0abc?comment_id=5&reply_comment_id=6",
        "https://www.facebook.com/AwayDays/posts/5",
        "https://social.example/@sam/9",
        "https://www.instagram.com/p/CxAbC/c/17/",
    ],
)
def test_ordinary_addresses_of_posts_stay_pressable_where_a_platform_gave_them(url: str) -> None:
    assert may_be_pressed(url)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_an_address(text: str) -> None:
    for url in (text, f"https://{text}", f"https://x.com/{text}", f"https://www.youtube.com/watch?{text}"):
        parts_of(url), host_of(url), may_be_pressed(url)
        made = post_address(url)
        assert made == "" or host_of(made) in {"x.com", "www.youtube.com"}
