-- New parts keep what has no column of its own in `properties` as one map: written as the engine does it by itself, in
-- buckets, rows that are copied from merged parts of some size are refused ("Stream … not found"), and copying is what
-- `weir reprocess` does. Parts that are merged get buckets as before.

alter table {{database}}.events {{on_cluster}} modify setting object_shared_data_serialization_version_for_zero_level_parts = 'map';
alter table {{database}}.profiles {{on_cluster}} modify setting object_shared_data_serialization_version_for_zero_level_parts = 'map';
alter table {{database}}.groups {{on_cluster}} modify setting object_shared_data_serialization_version_for_zero_level_parts = 'map';
