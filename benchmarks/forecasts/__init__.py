"""How good it is: every scorer on the same demands, the same users and the same future.

    topics.py demands.py   what is asked, from the data's own topics
    study.py               what a scorer is given: nothing of it lies on or after the as-of date
    outcome.py             what then happened; only measuring looks at it
    references/            the scorers a team without this project would use
    ours.py                our model, trained without the held-out topics
    scoring.py             every scorer on one list of demands
    judging.py figures.py  what a scorer is worth, with bootstrap intervals
    tasks/                 one file a question, each gives one or more sections of the report
    report.py tables.py    the report, and how people read it
    run.py                 all of it in order: begin here

The product never imports this package.
"""
