"""Settings: read once, refused in one sentence that names what is missing."""

import pytest

from app.infra.config import REQUIRED, ConfigError, read

GOOD = {
    "DATABASE_URL": "postgresql://fairway@db.example/fairway",
    "REDIS_URL": "redis://cache.example",
    "SECRET_KEY": "s" * 32,
    "ENCRYPTION_KEYS": "new,old",
    "PUBLIC_URL": "https://crm.example.com/",
    "SMTP_URL": "smtp://mail.example.com",
}


def test_production_is_the_default() -> None:
    found = read(GOOD)
    assert found.is_production
    assert found.public_url == "https://crm.example.com"
    assert found.mail_from == "no-reply@crm.example.com"
    assert found.encryption_keys == ("new", "old")


def test_former_secret_keys_are_read_in_their_order() -> None:
    assert read(GOOD).old_secret_keys == ()
    former = "b" * 32, "a" * 32
    assert read(GOOD | {"SECRET_KEY_FALLBACKS": ",".join(former)}).old_secret_keys == former


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read({key: value for key, value in GOOD.items() if key != name})


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        read({})
    assert all(name in str(refused.value) for name in REQUIRED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("SECRET_KEY_FALLBACKS", "f" * 40 + ",short"),
        ("PUBLIC_URL", "crm.example.com"),
        ("FAIRWAY_ENV", "staging"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "many"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read(GOOD | {name: value})
