"""For the tests of the widgets: what is in one, and that a figure stands beside it."""


def widgets_of(widget, kind):
    """The widgets of a class, by its name, in a widget: depth first."""
    found = [widget] if type(widget).__name__ == kind else []
    for child in getattr(widget, "children", ()):
        found += widgets_of(child, kind)
    return found


def assert_figure_stays(played, screen):
    """In outputs of their own: of one with both, JupyterLab shows the widget only, or an error."""
    played._ipython_display_()
    figure, view = screen.shown
    content, metadata = figure._repr_mimebundle_()
    assert content["image/png"].startswith(b"\x89PNG") and "Figure:" in content["text/plain"]
    assert len(metadata["image/png"]["alt"]) > 40
    assert view["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert view["text/plain"] == "To play with it, run this cell." and len(view) == 2
