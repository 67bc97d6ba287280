"""Measurements of a broker, ours or any other that speaks Kafka's protocol, and of clients.

    python -m benchmarks          through librdkafka, several brokers interleaved in one run
    python -m benchmarks.raw      through raw sockets, each figure beside the machine's own limit
    python -m benchmarks.client   several clients on one broker: ours is what is measured
    python -m benchmarks.cluster  three nodes: what a death, a copy and many partitions cost

    __main__     the first command: rounds of jobs against targets
    target       which brokers can be measured; start one, wait for its first accepted produce
    job          what is measured through librdkafka: one job per row
    workload     a job at work, in a process of its own
    raw          the second command
    data_path    produce and fetch without a client library
    scale        many partitions, many connections, memory, start-up
    log_size     a short log and a long one
    client       the third command: rows of jobs, each done by every client
    client_job   what a client is to do, and the clocks around it
    client_workload, asyncio_clients, blocking_clients    a client at work, in a process of its own
    cluster      three nodes: its parts, and what was aimed at
    three_nodes  a cluster of real processes, killed in part and mended
    failover     a leader is killed: where the time goes until its partitions are written to again
    streams      records that flow while something happens: how long they stand still
    replication  factor 3 beside factor 1
    limits       servers that do the least which a broker must: what this machine can reach
    wire         a blocking connection and the frames that go through it
    pipeline     many requests in flight on few connections, measured
    process      a process seen from outside: CPU time, memory, its core
    report       medians, the markdown table, the JSON file

Absolute figures do not carry to another machine; ratios within one run do. Nothing here asserts:
people read them.
"""
