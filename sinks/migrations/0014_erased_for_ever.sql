-- The list of erased people is kept for as long as anybody may have an archive: history that is reprocessed from it obeys
-- the list. (A clause that takes the time to live away could not be repeated.)

alter table {{database}}.erased {{on_cluster}} modify ttl listed_at + interval 50 year;
