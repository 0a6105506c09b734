"""The Kafka that newswire talks to.

`embedded`: the broker process. `topics`: what a wire's topics are; `admin` makes them, `namespaces` lists and deletes
wires. `check`: is a Kafka there. `errors`: what can go wrong.
"""
