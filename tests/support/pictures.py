"""What tests of pictures look at: the arrays that a figure shows, and its words."""


def mosaics(figure):
    """Return the arrays drawn as panels, keys and curves left out."""
    images = [image for axes in figure.axes for image in axes.get_images()]
    return [image.get_array() for image in images if image.get_array().shape != (1, 256)]


def titles(figure):
    """Return the words beside a figure's panels."""
    return [text.get_text() for text in figure.texts]
