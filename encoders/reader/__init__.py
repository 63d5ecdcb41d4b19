"""The reader: what a whole request asks for, as groups and items of the data; trained per data set, on texts alone."""

from encoders.reader.building import open_reader
from encoders.reader.reader import MeantGroup, Reader, WholeReading

__all__ = ["MeantGroup", "Reader", "WholeReading", "open_reader"]
