#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""words.py - makes words_table.h: python3 router/words.py > router/words_table.h

The lists were measured on MariaDB 10.11: each keyword, each row of information_schema.SQL_FUNCTIONS
and each geometry function was tried as `SELECT w(...)`, `SELECT w (...)` and `SELECT 1 AS w`.
JSON_TABLE was added by hand: it is called behind FROM only.
"""
import os
import re

# Refused as an alias.
RESERVED = """
accessible add all alter analyze and as asc asensitive before between bigint binary blob both by
call cascade case change char character check collate column condition constraint continue convert
create cross current_date current_role current_time current_timestamp current_user cursor
databases day_hour day_microsecond day_minute day_second dec decimal declare default delayed
delete delete_domain_id desc describe deterministic distinct distinctrow div do_domain_ids double
drop dual each else elseif enclosed escaped except exists exit explain false fetch float float4
float8 for force foreign from fulltext grant group having high_priority hour_microsecond
hour_minute hour_second if ignore ignore_domain_ids in index infile inner inout insensitive insert
int int1 int2 int3 int4 int8 integer intersect interval into is iterate join key keys kill leading
leave left like limit linear lines load localtime localtimestamp lock long longblob longtext loop
low_priority master_demote_to_replica master_demote_to_slave master_ssl_verify_server_cert match
maxvalue mediumblob mediumint mediumtext middleint minute_microsecond minute_second mod modifies
natural no_write_to_binlog not null numeric offset on optimize optionally or order out outer
outfile over page_checksum parse_vcol_expr partition portion precision primary procedure purge
range read read_write reads real recursive ref_system_id references regexp release rename repeat
replace require resignal restrict return returning revoke right rlike row_number rows schemas
second_microsecond select sensitive separator set show signal smallint spatial specific sql
sql_big_result sql_calc_found_rows sql_small_result sqlexception sqlstate sqlwarning ssl starting
stats_auto_recalc stats_persistent stats_sample_pages straight_join table terminated then tinyblob
tinyint tinytext to trailing trigger true undo union unique unlock unsigned update usage use using
utc_date utc_time utc_timestamp values varbinary varchar varcharacter varying when where while
with write xor year_month zerofill
"""

# `w(` is never looked up as a stored function, nor is w in quotes: native functions. Measured on
# 10.11.19: a function of each name (none, one and two parameters) was made and called as "`w`(...)"
# and "`w` (...)", in sql_mode '', ORACLE and IGNORE_SPACE: it never ran. Without it the error was
# of a native function's parameters, never "FUNCTION db.w does not exist" (1305, or 1630 of a keyword).
NATIVE = """
abs acos add_months addtime aes_decrypt aes_encrypt area asbinary asin astext aswkb aswkt atan
atan2 benchmark bin binlog_gtid_pos bit_count bit_length boundary buffer ceil ceiling centroid
char_length character_length chr coalesce coercibility collation column_check column_exists
column_json column_list compress concat concat_operator_oracle concat_ws connection_id contains
conv convert_tz cos cot crc32 crc32c crosses database date_format datediff dayname dayofmonth
dayofweek dayofyear decode decode_histogram decode_oracle degrees des_decrypt des_encrypt
dimension disjoint elt encode encrypt endpoint envelope equals exp export_set exteriorring
extractvalue field find_in_set floor format found_rows from_base64 from_days from_unixtime
geomcollfromtext geomcollfromwkb geometrycollectionfromtext geometrycollectionfromwkb
geometryfromtext geometryfromwkb geometryn geometrytype geomfromtext geomfromwkb get_lock glength
greatest hex ifnull inet6_aton inet6_ntoa inet_aton inet_ntoa instr interiorringn intersects
is_free_lock is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_used_lock isclosed isempty isnull
isring issimple json_array json_array_append json_array_insert json_compact json_contains
json_contains_path json_depth json_detailed json_equals json_exists json_extract json_insert
json_keys json_length json_loose json_merge json_merge_patch json_merge_preserve json_normalize
json_object json_overlaps json_pretty json_query json_quote json_remove json_replace json_search
json_set json_type json_unquote json_valid json_value last_day last_insert_id lcase least length
lengthb linefromtext linefromwkb linestringfromtext linestringfromwkb ln load_file locate log
log10 log2 lower lpad lpad_oracle ltrim ltrim_oracle make_set makedate maketime master_gtid_wait
master_pos_wait mbrcontains mbrdisjoint mbrequal mbrequals mbrintersects mbroverlaps mbrtouches
mbrwithin md5 microsecond mlinefromtext mlinefromwkb mod monthname mpointfromtext mpointfromwkb
mpolyfromtext mpolyfromwkb multilinestringfromtext multilinestringfromwkb multipointfromtext
multipointfromwkb multipolygonfromtext multipolygonfromwkb name_const natural_sort_key nullif
numgeometries numinteriorrings numpoints nvl nvl2 oct octet_length old_password ord overlaps
password period_add period_diff pi pointfromtext pointfromwkb pointn pointonsurface polyfromtext
polyfromwkb polygonfromtext polygonfromwkb pow power quarter quote radians rand random_bytes
regexp_instr regexp_replace regexp_substr release_all_locks release_lock replace_oracle reverse
round row_count rpad rpad_oracle rtrim rtrim_oracle schema schemas sec_to_time sformat sha sha1
sha2 sign sin sleep soundex space sqrt srid st_area st_asbinary st_asgeojson st_astext st_aswkb
st_aswkt st_boundary st_buffer st_centroid st_contains st_convexhull st_crosses st_difference
st_dimension st_disjoint st_distance st_distance_sphere st_endpoint st_envelope st_equals
st_exteriorring st_geomcollfromtext st_geomcollfromwkb st_geometrycollectionfromtext
st_geometrycollectionfromwkb st_geometryfromtext st_geometryfromwkb st_geometryn st_geometrytype
st_geomfromgeojson st_geomfromtext st_geomfromwkb st_interiorringn st_intersection st_intersects
st_isclosed st_isempty st_isring st_issimple st_length st_linefromtext st_linefromwkb
st_linestringfromtext st_linestringfromwkb st_mlinefromtext st_mlinefromwkb st_mpointfromtext
st_mpointfromwkb st_mpolyfromtext st_mpolyfromwkb st_multilinestringfromtext
st_multilinestringfromwkb st_multipointfromtext st_multipointfromwkb st_multipolygonfromtext
st_multipolygonfromwkb st_numgeometries st_numinteriorrings st_numpoints st_overlaps
st_pointfromtext st_pointfromwkb st_pointn st_pointonsurface st_polyfromtext st_polyfromwkb
st_polygonfromtext st_polygonfromwkb st_relate st_srid st_startpoint st_symdifference st_touches
st_union st_within st_x st_y startpoint str_to_date strcmp substr_oracle substring_index subtime
sys_guid tan time_format time_to_sec timediff to_base64 to_char to_days to_seconds touches ucase
uncompress uncompressed_length unhex unix_timestamp updatexml upper uuid uuid_short version week
weekday weekofyear within wsrep_last_seen_gtid wsrep_last_written_gtid wsrep_sync_wait_upto_gtid x
y yearweek
"""

# Neither: keywords. In quotes it is a name like any other, and a stored function of it is called.
NOT_CALL = NATIVE + """
accessible add all alter analyze and any as asc ascii asensitive avg backup before begin between
bigint binary binlog bit blob bool boolean both by byte cache call cascade case change char
character charset check checkpoint checksum clob close code collate column column_add
column_create column_delete column_get comment commit compressed condition constraint continue
convert create cross current_date current_role current_time current_timestamp current_user cursor
databases date datetime day day_hour day_microsecond day_minute day_second deallocate dec decimal
declare default delayed delete delete_domain_id desc describe deterministic distinct distinctrow
div do do_domain_ids double drop dual each else elseif enclosed end enum escaped examined except
exclude execute exists exit explain false fetch fixed float float4 float8 flush following follows
for force foreign from fulltext function geometrycollection get get_format global grant group
handler having help high_priority host hour hour_microsecond hour_minute hour_second id if ignore
ignore_domain_ids ignored in index infile inner inout insensitive insert install int int1 int2
int3 int4 int8 integer intersect interval into is iterate join json json_table key keys kill
language last_value lastval leading leave left like limit linear lines linestring load local
localtime localtimestamp lock long longblob longtext loop low_priority master_demote_to_replica
master_demote_to_slave master_ssl_verify_server_cert match maxvalue medium mediumblob mediumint
mediumtext middleint minute minute_microsecond minute_second modifies month multilinestring
multipoint multipolygon names national natural nchar nextval no no_write_to_binlog not null number
numeric nvarchar offset on open optimize option optionally options or order others out outer
outfile over owner page_checksum parse_vcol_expr parser partition period point polygon port
portion precedes preceding precision prepare primary procedure purge range raw read read_write
reads real recursive ref_system_id references regexp release remove rename repair repeat replace
replica replicas require reset resignal restore restrict return returning revoke right rlike role
rollback row row_number rownum rows savepoint second second_microsecond security select sensitive
separator serial server session set setval show shutdown signal signed slave slaves smallint
socket some soname sounds spatial specific sql sql_big_result sql_buffer_result sql_cache
sql_calc_found_rows sql_no_cache sql_small_result sql_tsi_day sql_tsi_hour sql_tsi_minute
sql_tsi_month sql_tsi_second sql_tsi_year sqlexception sqlstate sqlwarning ssl start starting
stats_auto_recalc stats_persistent stats_sample_pages stop stored straight_join sysdate table
terminated text then ties time timestamp timestampadd timestampdiff tinyblob tinyint tinytext to
trailing trigger true truncate unbounded undo unicode uninstall union unique unlock unsigned
update upgrade usage use user using utc_date utc_time utc_timestamp value values varbinary varchar
varchar2 varcharacter varying weight_string when where while window with wrapper write xa xor year
year_month zerofill
"""

# The same, but `w (` with a space is.
TIGHT = """
adddate bit_and bit_or bit_xor cast count cume_dist curdate curtime date_add date_sub dense_rank
extract first_value group_concat json_arrayagg json_objectagg lag lead max median mid min now
nth_value ntile percent_rank percentile_cont percentile_disc position rank session_user std stddev
stddev_pop stddev_samp subdate substr substring sum system_user trim trim_oracle var_pop var_samp
variance
"""

VOLATILE = """
benchmark binlog_gtid_pos connection_id curdate current_date current_role current_time
current_timestamp current_user curtime database decode_histogram default encrypt found_rows get_lock
is_free_lock is_used_lock last_insert_id lastval load_file localtime localtimestamp master_gtid_wait
master_pos_wait nextval now rand random_bytes release_all_locks release_lock row_count schema
session_user setval sleep sys_guid sysdate system_user unix_timestamp user utc_date utc_time
utc_timestamp uuid uuid_short wsrep_last_seen_gtid wsrep_last_written_gtid
wsrep_sync_wait_upto_gtid
"""

VOLATILE_BARE = """
current_date current_role current_time current_timestamp current_user localtime localtimestamp
utc_date utc_time utc_timestamp sysdate nextval lastval currval
"""

# Locks, waits for a node, moves a sequence, or is of the node that writes.
NOT_READ = """
get_lock is_free_lock is_used_lock lastval master_gtid_wait master_pos_wait nextval release_all_locks
release_lock setval wsrep_last_seen_gtid wsrep_last_written_gtid wsrep_sync_wait_upto_gtid
"""

BITS = {"RESERVED": 0x01, "NOT_CALL": 0x02, "TIGHT": 0x04, "VOLATILE": 0x08, "VOLATILE_BARE": 0x10,
        "NOT_READ": 0x20, "NATIVE": 0x40}
N_SLOTS = 2048


def hash_of(word):
    """The same arithmetic as word_find()."""
    b = [c | 0x20 for c in word.encode()]
    n = len(b)
    key = b[0] | b[n // 2] << 8 | b[n - 1] << 16 | b[n // 3] << 24
    key = (key ^ b[min(1, n - 1)] << 13 ^ n << 5) & 0xFFFFFFFF
    return ((key * 0x9E3779B1) & 0xFFFFFFFF) >> 21


def read_ids():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "words.h"), encoding="ascii") as file:
        return re.findall(r"\bW_[A-Z_]+\b", file.read().split("enum word_id {")[1].split("};")[0])


def main():
    ids = {name[2:].lower(): name for name in read_ids()}
    flags = {}
    for name in BITS:
        for word in globals()[name].split():
            flags.setdefault(word, []).append(name)
    words = sorted(set(ids) | set(flags))
    slots = [0] * N_SLOTS
    for number, word in enumerate(words, 1):
        slot = hash_of(word)
        while slots[slot]:
            slot = (slot + 1) % N_SLOTS
        slots[slot] = number
    out = ["/* SPDX-License-Identifier: Apache-2.0 */", "/* Made by words.py; do not edit. */",
           "/* clang-format off */", "#ifndef ROUTER_WORDS_TABLE_H", "#define ROUTER_WORDS_TABLE_H", "",
           "struct word_row {", "    char text[WORD_LONGEST + 1];", "    uint8_t len;", "    uint8_t flags;",
           "    uint16_t id;", "};", "", "static const struct word_row word_rows[] = {", "    {{0}, 0, 0, 0},"]
    rows = ['{"%s", %d, 0x%02x, %s},' % (word, len(word), sum(BITS[f] for f in flags.get(word, [])),
                                         ids.get(word, "WORD_PLAIN")) for word in words]
    out += ["    " + " ".join(rows[i:i + 3]) for i in range(0, len(rows), 3)]
    out += ["};", "", "#define WORD_SLOTS %d" % N_SLOTS, "",
            "/* The row's number, or 0: free. Taken slots are followed to the next one. */",
            "static const uint16_t word_slots[WORD_SLOTS] = {"]
    for i in range(0, N_SLOTS, 24):
        out.append("    " + ",".join("%d" % s for s in slots[i:i + 24]) + ",")
    out += ["};", "", "#endif"]
    print("\n".join(out))


if __name__ == "__main__":
    main()
