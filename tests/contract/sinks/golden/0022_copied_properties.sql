alter table `weir_local`.events on cluster `weir` modify setting object_shared_data_serialization_version_for_zero_level_parts = 'map';

alter table `weir`.profiles on cluster `weir` modify setting object_shared_data_serialization_version_for_zero_level_parts = 'map';

alter table `weir`.groups on cluster `weir` modify setting object_shared_data_serialization_version_for_zero_level_parts = 'map';
