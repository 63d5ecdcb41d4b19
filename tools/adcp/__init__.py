"""The Signals tasks of AdCP, the Ad Context Protocol: other agents find audiences by words and activate them."""
