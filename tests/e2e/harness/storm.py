"""DDL of every kind, from one client, until it is stopped or the source blocks writes."""
import random
import threading

import pymongo
from pymongo.errors import PyMongoError

from harness.writers import WRITE_BLOCKED

SEED = 20240229


class Storm(threading.Thread):
    """Creates with options, drops and recreates, renames with dropTarget, indexes, collMod: all while documents come in."""

    def __init__(self, uri, pause):
        super().__init__(daemon=True)
        self.client = pymongo.MongoClient(uri, serverSelectionTimeoutMS=30000)
        self.data, self.admin = self.client.e2e_storm, self.client.admin
        self.pause = pause
        self.random = random.Random(SEED)
        self.stopping = threading.Event()
        self.done = 0
        self.errors = []

    def run(self):
        kinds = (self.create, self.drop, self.rename, self.index, self.drop_index, self.change_options, self.write)
        while not self.stopping.is_set():
            try:
                self.random.choice(kinds)()
                self.done += 1
            except PyMongoError as error:
                if getattr(error, "code", 0) == WRITE_BLOCKED:
                    return
                self.errors.append(str(error))
            self.stopping.wait(self.pause)

    def stop(self):
        self.stopping.set()
        self.join(40)
        self.client.close()

    def name(self):
        return f"c{self.random.randrange(6)}"

    def create(self):
        self.data.create_collection(self.name(), **self.random.choice(
            ({}, {"collation": {"locale": "en", "strength": 2}}, {"validator": {"a": {"$exists": True}},
                                                                  "validationAction": "warn"})))

    def drop(self):
        self.data.drop_collection(self.name())

    def rename(self):
        self.admin.command("renameCollection", f"e2e_storm.{self.name()}", to=f"e2e_storm.{self.name()}",
                           dropTarget=self.random.random() < 0.5)

    def index(self):
        self.data[self.name()].create_index([(self.random.choice("abc"), self.random.choice((1, -1)))])

    def drop_index(self):
        name = self.name()
        indexes = [one for one in self.data[name].index_information() if one != "_id_"]
        if indexes:
            self.data[name].drop_index(self.random.choice(indexes))

    def change_options(self):
        self.data.command("collMod", self.name(), validationLevel=self.random.choice(("off", "moderate")))

    def write(self):
        collection = self.data[self.name()]
        collection.insert_many([{"a": self.random.randrange(9), "b": n} for n in range(5)])
        collection.update_many({"a": 3}, {"$inc": {"b": 1}})
        collection.delete_many({"a": 4})
