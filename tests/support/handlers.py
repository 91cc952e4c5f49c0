"""What the page's handlers are given and what they send."""

import gradio as gr


def last(updates, part):
    """The last value that a part was sent."""
    values = [update[part] for update in updates if part in update]
    assert values, "nothing was sent"
    return values[-1]


def event(**data):
    made = gr.EventData(None, data)
    return made


def failed(updates, cards):
    """The sentence with which an event failed; AssertionError where it did not fail."""
    end = last(list(updates), cards.question.ask)
    assert end["state"] == "failed", end
    return end["text"]
