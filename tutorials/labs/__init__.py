"""The original experiments, to run and to change: `minikafka lab`. A line a file:

load_levelling  Lab 1 runs the same burst without a queue and with one:
generator         the load, by the clock (in a process of its own, as the next ones),
service           the service, which works at once or puts the request into a topic,
http_service        (as much HTTP as that needs),
drain             the group that works the topic off;
outcomes        what the senders were told, id by id,
sink            what was finished, id by id,
accounts          and both compared,
report            a run altogether.

workers         Lab 2 sends the same records, by the clock, to
worker_process    workers of four kinds (a process of its own, each),
work              which do three kinds of work, whole or cut into five parts;
journal         when which record was worked on,
cell              and what that makes for one cell of the table.

child           A process of a lab, from both sides.
lessons, pictures   What was learned, in a sentence and drawn.
"""
