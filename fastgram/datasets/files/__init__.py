"""Sets of images as people have them on disk: idx files, CIFAR's batches, folders of images.

Nothing is downloaded, and no pickle is opened. What a header promises is compared with the file
before memory is taken for it. The folder may import `support` alone, and Pillow for images. Start
with `loading`.
"""
