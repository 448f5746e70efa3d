"""What the worker adds to a raw event, one question a module.

Each module is a pure function of its arguments behind a bounded cache: no Kafka, no clock, no state. The same input
gives the same answer, with the one exception of the city database, which is replaced by newer ones.
"""
