"""Names an OpenPanel event may not have: reserved ones, and the marks that vulnerability scanners leave."""

import re
from functools import lru_cache

from ingest.answers import bad_request
from ingest.limits import MAX_EVENT_NAME

RESERVED = frozenset({"session_start", "session_end"})

_MARKS = (
    # call-back domains of scanners
    *("oastify.com", "burpcollaborator", "interact.sh", "oast.me"),
    # SQL
    *("pg_sleep", "waitfor delay", "xp_dirtree", "load_file(", "extractvalue(", "dbms_pipe.receive_message"),
    *(
        "union select",
        "exec master.dbo",
        "declare @",
        "' or '",
        "' and '",
        "' or 1=1",
        "' and 1=1",
        '" or "',
        '" and "',
    ),
    # commands
    *("nslookup", "/bin/sleep", "/bin/bash", "cmd.exe", "wget http", "chmod 777"),
    # Java
    *("processbuilder", "runtime.getruntime", "eval-stdin.php"),
    # path traversal
    *("../", "..\\", "%2e%2e", "%u002e", "/etc/passwd", "/etc/shadow", "win.ini", "system.ini"),
    # templates
    *("${", "%{"),
    # XML
    *("<!doctype", "<!entity", "<xi:include", "xsi:schemalocation"),
    # mail headers
    "bcc:",
    # probes for files
    *("phpinfo.php", "wp-config.php", ".git/config", ".env.backup", ".env.bak", "/vendor/phpunit/"),
    # botnets
    *("mozi.m", "/setup.cgi?", "/cgi-bin/"),
    # leaked inspections of Ruby objects
    *("#<article:0x", "#<video:0x", "#<brand:0x"),
)
_MARK = re.compile("|".join(re.escape(mark) for mark in _MARKS), re.IGNORECASE)
_SCANNED_PATH = re.compile(
    r"/\w+\.(?:php|env|ya?ml|json|xml|config|ini|bak|sql|log)\b|/\.[a-z]|/wp-|/wordpress|/phpmyadmin|/\S*\.php$",
    re.IGNORECASE,
)


def check_name(name: object) -> str:
    """The name, if an event may have it.

    :raises Refusal: ``missing_name``, ``name_too_long``, ``name_reserved``, ``name_blocked``.
    """
    if not isinstance(name, str) or not name:
        raise bad_request("missing_name", "An event needs a name: a text that is not empty.")
    if len(name) > MAX_EVENT_NAME:
        raise bad_request("name_too_long", f"An event's name has at most {MAX_EVENT_NAME} characters.")
    refusal = _objection(name)
    if refusal is not None:
        raise bad_request(*refusal)
    return name


@lru_cache(maxsize=4_096)
def _objection(name: str) -> tuple[str, str] | None:
    if name in RESERVED:
        return "name_reserved", f"The name {name} is reserved."
    if "\r" in name or "\n" in name:
        return "name_blocked", "An event's name is a single line."
    if _MARK.search(name) or _SCANNED_PATH.search(name):
        return "name_blocked", "The name looks like the probe of a vulnerability scanner."
    return None
