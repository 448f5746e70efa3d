alter table `weir`.erased on cluster `weir` modify ttl listed_at + interval 50 year;
