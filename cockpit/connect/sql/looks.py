"""Whether a statement only looks: what is not known to is refused before it is sent.

The server is told too (`default_transaction_read_only`, `tx_read_only`), but a read-only
transaction of PostgreSQL still lets `pg_terminate_backend`, `pg_reload_conf` or
`pg_stat_statements_reset` through to whoever has the right, and nobody can say with which rights a
configured observer comes. Statements are written by probes; values are bound, never pasted.

Functions pass by a list of those that are known to look only. It is no sandbox: a view, an operator
or a cast may call what it likes, and so may a function of somebody's own that has the name of a
known one. It keeps a probe, of whatever distribution, from acting by what it says.

Sources: PostgreSQL documentation, "System Administration Functions", "SET TRANSACTION";
MariaDB knowledge base, "START TRANSACTION", "KILL".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from cockpit.errors import Refused

Flavour = Literal["postgres", "mysql"]

_BEGINS = frozenset({"select", "with", "show", "values"})
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*")
_ODD = re.compile(r"\$\w*\$|\bu&['\"]|/\*", re.IGNORECASE)
"""Dollar quotes, escapes by name, comments that may nest or be executed."""
_WRITES = re.compile(
    r"\b(insert|update|delete|merge|truncate|into|procedure)\b|\bfor\s+(no\s+key\s+|key\s+)?share\b"
    r"|\block\s+in\s+share\b|:=",
)
_NO_COMMENT = re.compile(r"--(?![ \t\r\n]|\Z)")
"""MySQL takes `--1` for a sum, and for a comment only what has a blank behind the dashes."""
_CALLED = re.compile(r"(?:([\w$]+|\"\s*\"|`\s*`)\s*\.\s*)?([\w$]+|\"\s*\"|`\s*`)\s*\(")
_NAMED = re.compile(r"\bas\s+[\w$]+\s*\(")
"""Behind AS stands a name with its columns, or a type: never a call."""
_SCHEMAS = frozenset({"", "pg_catalog", "information_schema"})


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


_NO_CALLS = _words(
    """
    all and any array as between by case cast char decimal distinct else except exists extract
    filter from group having ilike in intersect interval join lateral like limit materialized
    not numeric offset on or over partition row select some then time timestamp union using
    values varchar when where with within
    """
)
"""Words and types that a parenthesis may follow."""
_BOTH = _words(
    """
    abs avg ceil ceiling char_length coalesce concat concat_ws count current_timestamp
    current_user exp floor greatest least left length ln log lower lpad ltrim max min mod now
    nullif octet_length position power replace reverse right round row_number rpad rtrim sign
    sqrt substr substring sum trim upper version dense_rank first_value lag last_value lead
    ntile rank percent_rank cume_dist
    """
)
_POSTGRES = _words(
    """
    age array_agg array_length array_position array_to_string aurora_global_db_instance_status
    aurora_global_db_status aurora_replica_status aurora_stat_backend_waits aurora_version
    bool_and bool_or btrim cardinality clock_timestamp col_description current_database
    current_schema current_schemas current_setting family host date_part date_trunc encode every
    format format_type generate_series inet_server_addr inet_server_port json_agg
    json_array_length json_build_array json_build_object json_object_agg jsonb_agg
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_each jsonb_each_text jsonb_object_agg jsonb_object_keys
    make_interval md5 mode mxid_age obj_description percentile_cont percentile_disc quote_ident
    quote_literal quote_nullable regexp_match regexp_matches regexp_replace row_to_json
    shobj_description split_part starts_with statement_timestamp stddev string_agg
    string_to_array strpos timezone to_char to_hex to_json to_jsonb to_number to_regclass
    to_regnamespace to_regproc to_regprocedure to_regrole to_regtype to_timestamp
    transaction_timestamp translate trunc unnest variance width_bucket has_any_column_privilege
    has_column_privilege has_database_privilege has_function_privilege has_schema_privilege
    has_sequence_privilege has_table_privilege
    """
)
_POSTGRES_LOOKS = re.compile(
    r"pg_(?:is|has|get|last|current|show|size|snapshot|control|table_is|encoding_to)_\w+"
    r"|pg_stat_\w+|pg_(?:\w+_)?size|pg_size_pretty|pg_wal_lsn_diff|pg_walfile_name|pg_typeof"
    r"|pg_(?:safe_snapshot_)?blocking_pids|pg_backend_pid|pg_postmaster_start_time"
    r"|pg_conf_load_time|pg_ls_(?:wal|tmp|logical\w*|replslot\w*|archive_status)dir"
    r"|pg_lock_status|pg_prepared_(?:xact|statement)|pg_relation_filepath|pg_visible_in_snapshot"
    r"|pg_sequence_last_value"
)
_ANYWHERE = _words("pg_stat_statements pg_stat_statements_info")
"""Of an extension, which lives in the schema that it was created in."""
_POSTGRES_ACTS = re.compile(r"\w*(?:reset|clear|advisory)\w*")
_MYSQL = _words(
    """
    adddate bin_to_uuid cast connection_id convert convert_tz curdate current_role current_time
    curtime database date date_add date_format date_sub datediff elt field find_in_set format
    format_bytes format_pico_time from_unixtime group_concat hex hour if ifnull inet6_ntoa
    inet_ntoa instr is_used_lock isnull json_arrayagg json_contains json_extract json_length
    json_object json_objectagg json_table json_unquote json_value lcase locate mid minute month
    ps_current_thread_id ps_thread_id quote regexp_like regexp_replace regexp_substr schema
    sec_to_time second session_user std strcmp str_to_date subdate substring_index sysdate
    system_user time_format time_to_sec timediff timestampadd timestampdiff to_seconds truncate
    ucase unhex unix_timestamp user utc_date utc_time utc_timestamp year
    """
)


@lru_cache(1024)
def check(sql: str, flavour: Flavour) -> None:
    """Raise `Refused` unless the statement is one that only looks. Nothing was sent then.

    What passed is remembered by its whole text: probes send the same ones at every look.
    """
    bare = _bare(sql, flavour)
    first = re.match(r"[\s(]*([a-z]+)", bare)
    if first is None or first.group(1) not in _BEGINS:
        _refuse(first.group(1) if first else "an empty statement")
    if ";" in bare.rstrip().removesuffix(";"):
        _refuse("more than one statement")
    if written := _WRITES.search(bare):
        _refuse(written.group(0))
    for schema, called in _CALLED.findall(_NAMED.sub("as (", bare)):
        if flavour == "postgres" and called in _ANYWHERE:
            continue
        if schema not in _SCHEMAS or not _only_looks(called, flavour):
            _refuse(f"{schema}.{called}()" if schema else f"{called}()")


def _bare(sql: str, flavour: Flavour) -> str:
    """The statement in lower case without what is quoted. Refuses quoting that is not plain."""
    odd = "\\" in sql or _ODD.search(sql)
    if flavour == "mysql":
        odd = odd or "#" in sql or _NO_COMMENT.search(sql)
    if odd:
        _refuse("a statement whose quoting is not plain")
    return _QUOTED.sub(lambda found: {'"': '""', "`": "``"}.get(found.group()[0], " "), sql).lower()


def _only_looks(called: str, flavour: Flavour) -> bool:
    if called in _NO_CALLS or called in _BOTH:
        return True
    if flavour == "mysql":
        return called in _MYSQL
    if _POSTGRES_ACTS.fullmatch(called):
        return False
    return called in _POSTGRES or _POSTGRES_LOOKS.fullmatch(called) is not None


def _refuse(what: str) -> None:
    raise Refused(f"{what}: an observer's session only looks; nothing was sent")
