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

# `w(` is never looked up as a stored function.
NOT_CALL = """
abs accessible acos add add_months addtime aes_decrypt aes_encrypt all alter analyze and any area
as asbinary asc ascii asensitive asin astext aswkb aswkt atan atan2 avg backup before begin
benchmark between bigint bin binary binlog binlog_gtid_pos bit bit_count bit_length blob bool
boolean both boundary buffer by byte cache call cascade case ceil ceiling centroid change char
char_length character character_length charset check checkpoint checksum chr clob close coalesce
code coercibility collate collation column column_add column_check column_create column_delete
column_exists column_get column_json column_list comment commit compress compressed concat
concat_operator_oracle concat_ws condition connection_id constraint contains continue conv convert
convert_tz cos cot crc32 crc32c create cross crosses current_date current_role current_time
current_timestamp current_user cursor database databases date date_format datediff datetime day
day_hour day_microsecond day_minute day_second dayname dayofmonth dayofweek dayofyear deallocate
dec decimal declare decode decode_histogram decode_oracle default degrees delayed delete
delete_domain_id des_decrypt des_encrypt desc describe deterministic dimension disjoint distinct
distinctrow div do do_domain_ids double drop dual each else elseif elt enclosed encode encrypt end
endpoint enum envelope equals escaped examined except exclude execute exists exit exp explain
export_set exteriorring extractvalue false fetch field find_in_set fixed float float4 float8 floor
flush following follows for force foreign format found_rows from from_base64 from_days
from_unixtime fulltext function geomcollfromtext geomcollfromwkb geometrycollection
geometrycollectionfromtext geometrycollectionfromwkb geometryfromtext geometryfromwkb geometryn
geometrytype geomfromtext geomfromwkb get get_format get_lock glength global grant greatest group
handler having help hex high_priority host hour hour_microsecond hour_minute hour_second id if
ifnull ignore ignore_domain_ids ignored in index inet6_aton inet6_ntoa inet_aton inet_ntoa infile
inner inout insensitive insert install instr int int1 int2 int3 int4 int8 integer interiorringn
intersect intersects interval into is is_free_lock is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6
is_used_lock isclosed isempty isnull isring issimple iterate join json json_array
json_array_append json_array_insert json_compact json_contains json_contains_path json_depth
json_detailed json_equals json_exists json_extract json_insert json_keys json_length json_loose
json_merge json_merge_patch json_merge_preserve json_normalize json_object json_overlaps
json_pretty json_query json_quote json_remove json_replace json_search json_set json_table
json_type
json_unquote json_valid json_value key keys kill language last_day last_insert_id last_value
lastval lcase leading least leave left length lengthb like limit linear linefromtext linefromwkb
lines linestring linestringfromtext linestringfromwkb ln load load_file local localtime
localtimestamp locate lock log log10 log2 long longblob longtext loop low_priority lower lpad
lpad_oracle ltrim ltrim_oracle make_set makedate maketime master_demote_to_replica
master_demote_to_slave master_gtid_wait master_pos_wait master_ssl_verify_server_cert match
maxvalue mbrcontains mbrdisjoint mbrequal mbrequals mbrintersects mbroverlaps mbrtouches mbrwithin
md5 medium mediumblob mediumint mediumtext microsecond middleint minute minute_microsecond
minute_second mlinefromtext mlinefromwkb mod modifies month monthname mpointfromtext mpointfromwkb
mpolyfromtext mpolyfromwkb multilinestring multilinestringfromtext multilinestringfromwkb
multipoint multipointfromtext multipointfromwkb multipolygon multipolygonfromtext
multipolygonfromwkb name_const names national natural natural_sort_key nchar nextval no
no_write_to_binlog not null nullif number numeric numgeometries numinteriorrings numpoints
nvarchar nvl nvl2 oct octet_length offset old_password on open optimize option optionally options
or ord order others out outer outfile over overlaps owner page_checksum parse_vcol_expr parser
partition password period period_add period_diff pi point pointfromtext pointfromwkb pointn
pointonsurface polyfromtext polyfromwkb polygon polygonfromtext polygonfromwkb port portion pow
power precedes preceding precision prepare primary procedure purge quarter quote radians rand
random_bytes range raw read read_write reads real recursive ref_system_id references regexp
regexp_instr regexp_replace regexp_substr release release_all_locks release_lock remove rename
repair repeat replace replace_oracle replica replicas require reset resignal restore restrict
return returning reverse revoke right rlike role rollback round row row_count row_number rownum
rows rpad rpad_oracle rtrim rtrim_oracle savepoint schema schemas sec_to_time second
second_microsecond security select sensitive separator serial server session set setval sformat
sha sha1 sha2 show shutdown sign signal signed sin slave slaves sleep smallint socket some soname
soundex sounds space spatial specific sql sql_big_result sql_buffer_result sql_cache
sql_calc_found_rows sql_no_cache sql_small_result sql_tsi_day sql_tsi_hour sql_tsi_minute
sql_tsi_month sql_tsi_second sql_tsi_year sqlexception sqlstate sqlwarning sqrt srid ssl st_area
st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_boundary st_buffer st_centroid st_contains
st_convexhull st_crosses st_difference st_dimension st_disjoint st_distance st_distance_sphere
st_endpoint st_envelope st_equals st_exteriorring st_geomcollfromtext st_geomcollfromwkb
st_geometrycollectionfromtext st_geometrycollectionfromwkb st_geometryfromtext st_geometryfromwkb
st_geometryn st_geometrytype st_geomfromgeojson st_geomfromtext st_geomfromwkb st_interiorringn
st_intersection st_intersects st_isclosed st_isempty st_isring st_issimple st_length
st_linefromtext st_linefromwkb st_linestringfromtext st_linestringfromwkb st_mlinefromtext
st_mlinefromwkb st_mpointfromtext st_mpointfromwkb st_mpolyfromtext st_mpolyfromwkb
st_multilinestringfromtext st_multilinestringfromwkb st_multipointfromtext st_multipointfromwkb
st_multipolygonfromtext st_multipolygonfromwkb st_numgeometries st_numinteriorrings st_numpoints
st_overlaps st_pointfromtext st_pointfromwkb st_pointn st_pointonsurface st_polyfromtext
st_polyfromwkb st_polygonfromtext st_polygonfromwkb st_relate st_srid st_startpoint
st_symdifference st_touches st_union st_within st_x st_y start starting startpoint
stats_auto_recalc stats_persistent stats_sample_pages stop stored str_to_date straight_join strcmp
substr_oracle substring_index subtime sys_guid sysdate table tan terminated text then ties time
time_format time_to_sec timediff timestamp timestampadd timestampdiff tinyblob tinyint tinytext to
to_base64 to_char to_days to_seconds touches trailing trigger true truncate ucase unbounded
uncompress uncompressed_length undo unhex unicode uninstall union unique unix_timestamp unlock
unsigned update updatexml upgrade upper usage use user using utc_date utc_time utc_timestamp uuid
uuid_short value values varbinary varchar varchar2 varcharacter varying version week weekday
weekofyear weight_string when where while window with within wrapper write wsrep_last_seen_gtid
wsrep_last_written_gtid wsrep_sync_wait_upto_gtid x xa xor y year year_month yearweek zerofill
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

# Locks, waits for a node, or moves a sequence.
NOT_READ = """
get_lock is_free_lock is_used_lock lastval master_gtid_wait master_pos_wait nextval release_all_locks
release_lock setval wsrep_sync_wait_upto_gtid
"""

BITS = {"RESERVED": 0x01, "NOT_CALL": 0x02, "TIGHT": 0x04, "VOLATILE": 0x08, "VOLATILE_BARE": 0x10,
        "NOT_READ": 0x20}
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
