"""Says in a page what a plan of OpenTofu would change: infra/summary.py PLAN.json, as `tofu show -json` writes it.

What would be deleted or made anew comes first, because that is what a person has to see. Values that are sensitive are never
shown, nor long ones: which attribute changes is enough to know where to look.
"""

import collections
import json
import sys

WORDS = {
    ("create",): "made",
    ("update",): "changed",
    ("delete",): "deleted",
    ("delete", "create"): "deleted and made anew",
    ("create", "delete"): "made anew and the old one deleted",
    ("forget",): "forgotten, and left as it is",
}
# What changes nothing.
QUIET = {("no-op",), ("read",)}
# What nothing brings back once it is gone.
PRECIOUS = ("aws_dynamodb_table", "aws_s3_bucket")
LONGEST = 60


def shown(value):
    """A value in a few characters."""
    text = json.dumps(value)
    return text if len(text) <= LONGEST else "..."


def differences(change):
    """Each attribute that changes, with its values where they can be shown."""
    before, after = change["before"] or {}, change["after"] or {}
    unknown = change.get("after_unknown") or {}
    sensitive = [change.get(side) or {} for side in ("before_sensitive", "after_sensitive")]
    for name in sorted({*before, *after, *unknown}):
        if unknown.get(name) is True:
            yield f"{name}: known once it is done"
        elif before.get(name) != after.get(name):
            is_secret = any(isinstance(side, dict) and side.get(name) for side in sensitive)
            yield f"{name}: a secret" if is_secret else f"{name}: {shown(before.get(name))} -> {shown(after.get(name))}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    changes = [change for change in plan.get("resource_changes", []) if tuple(change["change"]["actions"]) not in QUIET]
    strange = [change["address"] for change in changes if tuple(change["change"]["actions"]) not in WORDS]
    if strange:
        sys.exit(f"it is not known what the plan does to {', '.join(strange)}")
    if not changes:
        print("Nothing changes.")
        return
    counts = collections.Counter(WORDS[tuple(change["change"]["actions"])] for change in changes)
    print(", ".join(f"{count} {word}" for word, count in counts.items()) + "\n")

    gone = [change for change in changes if {"delete", "forget"} & set(change["change"]["actions"])]
    if gone:
        print("DELETED, deleted and made anew, or forgotten:")
        for change in gone:
            warning = "  <- with everything in it" if change["type"] in PRECIOUS else ""
            print(f"  {change['address']}{warning}")
        print()
    changed = [change for change in changes if change["change"]["actions"] == ["update"]]
    if changed:
        print("Changed:")
        for change in changed:
            print(f"  {change['address']}")
            for difference in differences(change["change"]):
                print(f"      {difference}")
        print()
    made = collections.Counter(change["type"] for change in changes if change["change"]["actions"] == ["create"])
    if made:
        print("Made:")
        for kind, count in sorted(made.items()):
            print(f"  {count:4} {kind}")


main()
