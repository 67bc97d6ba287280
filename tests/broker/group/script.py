"""Golden scripts: what happens to a group, line by line, with what the group answers below it.

    0 join A protocols=range,sticky
      A: joined m1 generation 1 range, leader m1 [m1]
    10 sync A m1=all
      save generation 1
      A: owns all

A line is a time in ms and a command; the indented lines are the effects, in order. A script is
played anew and must come out as it is written. Who asks is a name (A); it is also the handle of
the request, and the member id it was last given is remembered with it.

    join N [id-first] [static=S] [skip] [session=MS] [rebalance=MS] [protocols=a,b] [sub=TEXT]
    sync N [N=TEXT ...]       an assignment for each named one
    heartbeat N | leave N [static=S] | commit N | outsider-commit | lost N | delete
    saved [ERROR]             the oldest save is in the log, or failed
    tick                      time passes
"""

from minikafka.broker.group.group import Group, GroupLimits
from minikafka.broker.group.member import Identity, Join, Joined, Save, Sync, Synced
from minikafka.protocol.errors import ErrorCode

LIMITS = GroupLimits(max_size=10, initial_rebalance_delay_ms=0)


class Player:
    """A group and those who talk to it. `auto_save`: whatever is saved is in the log at once."""

    def __init__(self, limits=LIMITS, auto_save=True):
        self.count = 0
        self.group = Group("g", limits, self.new_id)
        self.ids = {}
        self.static = {}
        self.generations = {}
        self.saves = []
        self.auto_save = auto_save

    def new_id(self, prefix):
        self.count += 1
        return f"m{self.count}"

    def play(self, line):
        """Carry out one line, and return it with what came of it."""
        time, command, *words = line.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        flags = [word for word in words if "=" not in word]
        effects = getattr(self, command.replace("-", "_"))(int(time), flags, options)
        return [line, *(f"  {text}" for text in self.follow(effects, int(time)))]

    def follow(self, effects, now_ms):
        texts = []
        for effect in effects:
            match effect:
                case str():
                    texts.append(effect)
                case Joined():
                    texts.append(self.joined(effect))
                case Synced():
                    owns = effect.assignment.decode() or "nothing"
                    error = effect.error_code.name
                    texts.append(
                        f"{effect.handle}: " + (error if effect.error_code else f"owns {owns}")
                    )
                case Save():
                    texts.append(f"save generation {effect.group.generation}")
                    self.saves.append(effect)
                    if self.auto_save:
                        texts += self.follow(self.pop_save(ErrorCode.NONE, now_ms), now_ms)
        return texts

    def joined(self, effect):
        name = effect.handle
        if effect.member_id:
            self.ids[name] = effect.member_id
        if effect.error_code:
            return f"{name}: {effect.error_code.name} {effect.member_id}".rstrip()
        self.generations[name] = effect.generation
        members = ",".join(view.member_id for view in effect.members)
        skips = ", skip" if effect.skips_assignment else ""
        return (
            f"{name}: joined {effect.member_id} generation {effect.generation} "
            f"{effect.protocol_name}, leader {effect.leader} [{members}]{skips}"
        )

    def pop_save(self, error, now_ms):
        return self.saves.pop(0).then(error, now_ms)

    def identity(self, name):
        return Identity(
            self.ids.get(name, ""), self.static.get(name), self.generations.get(name, -1)
        )

    def join(self, now_ms, flags, options):
        name = flags[0]
        self.static[name] = options.get("static", self.static.get(name))
        subscription = options.get("sub", "").encode()
        join = Join(
            handle=name,
            member_id=options.get("id", self.ids.get(name, "")),
            instance_id=self.static[name],
            client_id=name,
            client_host="host",
            session_timeout_ms=int(options.get("session", 10_000)),
            rebalance_timeout_ms=int(options.get("rebalance", 60_000)),
            protocol_type=options.get("type", "consumer"),
            protocols=tuple(
                (each, subscription) for each in options.get("protocols", "range").split(",")
            ),
            needs_id_first="id-first" in flags,
            can_skip_assignment="skip" in flags,
        )
        return self.group.join(join, now_ms)

    def sync(self, now_ms, flags, options):
        assignments = {self.ids[name]: text.encode() for name, text in options.items()}
        sync = Sync(flags[0], self.identity(flags[0]), None, None, assignments)
        return self.group.sync(sync, now_ms)

    def heartbeat(self, now_ms, flags, options):
        return [f"{flags[0]}: {self.group.heartbeat(self.identity(flags[0]), now_ms).name}"]

    def leave(self, now_ms, flags, options):
        identity = self.identity(flags[0])
        if "static" in options:
            identity = Identity("", options["static"])
        error, effects = self.group.leave(identity, now_ms)
        return [f"{flags[0]}: {error.name}", *effects]

    def commit(self, now_ms, flags, options):
        return [f"{flags[0]}: {self.group.check_commit(self.identity(flags[0]), now_ms).name}"]

    def outsider_commit(self, now_ms, flags, options):
        return [self.group.check_commit(Identity(""), now_ms).name]

    def lost(self, now_ms, flags, options):
        self.group.lost(flags[0], now_ms)
        return []

    def delete(self, now_ms, flags, options):
        return [self.group.delete().name]

    def saved(self, now_ms, flags, options):
        error = ErrorCode[flags[0]] if flags else ErrorCode.NONE
        return self.pop_save(error, now_ms)

    def tick(self, now_ms, flags, options):
        effects = []
        while (deadline := self.group.deadline_ms()) is not None and deadline <= now_ms:
            effects += self.group.tick(deadline)
        return [*effects, f"{self.group.state.value}"]


def play(script, **options):
    """Play the commands of `script`; return the transcript, to be compared with the script."""
    player = Player(**options)
    transcript = []
    for line in script.strip().splitlines():
        if not line.startswith("  "):
            transcript += player.play(line.strip())
    return "\n".join(transcript)
