// Keeps Gazebo 11 in lock-step with Medicell, drives joints, tells of contacts, holds vials.
//
// The physics stands until it is told how far to run. Commands come, and answers go, as lines of
// text on the socket that the environment names; an answer ends with a line `end`. When the other
// side closes the socket, for whatever reason, the process ends: no simulator is left behind.
//
//   run STEPS STRIDE            state T Q EFFORT Q EFFORT ... each STRIDE steps and at the last;
//                               links POSE POSE ..., POSE: of the links that are watched, and of
//                               the body in the hand if there is one, after each state;
//                               contact A B FIRST_T LAST_T FORCE_N DEPTH_M for each pair;
//                               grip FORCE_N MODEL: what pressed the driven finger; `-`: none held
//   follow K JOINT.. START N    then N rows of T and K times Q V EFFORT, T from START on
//   grip FORCE_N                closes the fingers by this force; 0 opens them
//   pose MODEL                  pose X Y Z QW QX QY QZ, as each POSE above
//   take MODEL                  takes a free body out of the cell: it touches nothing any more
//   put MODEL POSE              has a free body stand there, also one that was taken out
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <locale>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gazebo/common/Events.hh>
#include <gazebo/common/Plugin.hh>
#include <gazebo/physics/Collision.hh>
#include <gazebo/physics/Contact.hh>
#include <gazebo/physics/ContactManager.hh>
#include <gazebo/physics/Joint.hh>
#include <gazebo/physics/Link.hh>
#include <gazebo/physics/Model.hh>
#include <gazebo/physics/PhysicsEngine.hh>
#include <gazebo/physics/SurfaceParams.hh>
#include <gazebo/physics/World.hh>

namespace medicell {

using gazebo::physics::JointPtr;
using gazebo::physics::LinkPtr;
using gazebo::physics::ModelPtr;

struct Point {
  double time, position, velocity, effort;
};

// A joint with its controller. Positions count from the model's zero, `offset` above Gazebo's,
// which counts from the posture that the world is made in.
struct Drive {
  JointPtr joint;
  double offset, p, i, d, limit;
  double sum = 0.0;
  double effort = 0.0;
  std::vector<Point> path;

  double Position() const { return joint->Position(0) + offset; }

  // Cubic between points with velocities; it stands at the last.
  Point At(double now) const {
    if (path.size() == 1 || now <= path.front().time) return {now, path.front().position, 0, path.front().effort};
    if (now >= path.back().time) return {now, path.back().position, 0, path.back().effort};
    auto after = std::upper_bound(path.begin(), path.end(), now,
                                  [](double t, const Point &point) { return t < point.time; });
    const Point &b = *after, &a = *(after - 1);
    const double h = b.time - a.time, s = (now - a.time) / h, r = 1.0 - s;
    return {now,
            a.position * r * r * (1 + 2 * s) + b.position * s * s * (3 - 2 * s) +
                h * s * r * (a.velocity * r - b.velocity * s),
            6 * s * r * (b.position - a.position) / h + a.velocity * r * (1 - 3 * s) +
                b.velocity * s * (3 * s - 2),
            a.effort * r + b.effort * s};
  }

  // The integral stands while the effort is at its limit.
  void Follow(double now, double step) {
    const Point wanted = At(now);
    const double error = wanted.position - Position();
    const double linear = wanted.effort + p * error + d * (wanted.velocity - joint->GetVelocity(0));
    const double whole = linear + i * (sum + error * step);
    if (std::abs(whole) < limit) sum += error * step;
    Push(linear + i * sum);
  }

  void Push(double wanted) {
    effort = std::max(-limit, std::min(limit, wanted));
    joint->SetForce(0, effort);
  }
};

struct Touch {
  double first, last, force, depth;
};

class LockStep : public gazebo::WorldPlugin {
 public:
  void Load(gazebo::physics::WorldPtr world, sdf::ElementPtr sdf) override {
    this->world = world;
    const char *number = std::getenv("MEDICELL_GAZEBO_SOCKET");
    if (number == nullptr) Fail("MEDICELL_GAZEBO_SOCKET is not set");
    socket = std::atoi(number);
    this->sdf = sdf;
    // Without it contacts are only found for who subscribes to them.
    world->Physics()->GetContactManager()->SetNeverDropContacts(true);
    before = gazebo::event::Events::ConnectWorldUpdateBegin([this](const auto &) { Before(); });
    after = gazebo::event::Events::ConnectWorldUpdateEnd([this]() { After(); });
  }

 private:
  [[noreturn]] void Fail(const std::string &text) {
    Send("error " + text + "\nend\n");
    std::_Exit(1);
  }

  // Joints are there from the first step on, not yet when plug-ins are loaded.
  void Assemble() {
    for (auto row = sdf->GetElement("drive"); row; row = row->GetNextElement("drive")) AddDrive(row);
    AddGripper(sdf->GetElement("gripper"));
    for (auto row = sdf->GetElement("watch"); row; row = row->GetNextElement("watch")) AddWatched(row);
    sdf.reset();
  }

  // Gazebo's own look-up may find a link of that name in another model.
  ModelPtr Model(const std::string &name) const {
    for (const auto &model : world->Models())
      if (model->GetName() == name) return model;
    return nullptr;
  }

  JointPtr Find(const std::string &model, const std::string &name) {
    ModelPtr owner = Model(model);
    JointPtr joint = owner ? owner->GetJoint(name) : nullptr;
    if (!joint) Fail("the world has no joint " + model + "::" + name);
    return joint;
  }

  void AddDrive(sdf::ElementPtr row) {
    const auto name = row->Get<std::string>("name");
    Drive drive{};
    drive.joint = Find(row->Get<std::string>("model"), name);
    drive.offset = row->Get<double>("offset");
    drive.p = row->Get<double>("p");
    drive.i = row->Get<double>("i");
    drive.d = row->Get<double>("d");
    drive.limit = row->Get<double>("effort");
    drive.path = {{0.0, drive.offset, 0.0, row->Get<double>("hold")}};
    order.push_back(name);
    drives.emplace(name, drive);
  }

  void AddGripper(sdf::ElementPtr row) {
    left = &drives.at(row->Get<std::string>("driven"));
    right = &drives.at(row->Get<std::string>("mimic"));
    holder = left->joint->GetParent();
    slip = row->Get<double>("friction");
    stiffness = row->Get<double>("stiffness");
    damping = row->Get<double>("damping");
    speed = row->Get<double>("speed");
    opened = target = left->offset;
  }

  void AddWatched(sdf::ElementPtr row) {
    const auto owner = row->Get<std::string>("model"), name = row->Get<std::string>("link");
    const ModelPtr model = Model(owner);
    const LinkPtr link = model ? model->GetLink(name) : nullptr;
    if (!link) Fail("the world has no link " + owner + "::" + name);
    watched.push_back(link);
  }

  double Now() const { return world->SimTime().Double(); }
  double Step() const { return world->Physics()->GetMaxStepSize(); }

  // Stand until there is something to run; then drive every joint for the coming step.
  void Before() {
    if (sdf) Assemble();
    while (left_steps == 0) Obey(Line());
    const double now = Now();
    for (auto &row : drives) {
      if (&row.second != left && &row.second != right) row.second.Follow(now, Step());
    }
    Fingers();
  }

  // One drive moves both fingers: to where they are open, or together until they press with the
  // force that is asked for. Its screw locks by itself on what is held.
  void Fingers() {
    const double before = target;
    const double most = closing > 0.0 ? closing : left->limit;
    if (closing == 0.0) target = std::min(opened, target + speed * Step());
    else if (!joined && !Pressing()) target -= speed * Step();
    const double rate = (target - before) / Step();
    for (Drive *finger : {left, right}) {
      const double wanted = stiffness * (target - finger->Position()) + damping * (rate - finger->joint->GetVelocity(0));
      finger->Push(std::max(-most, std::min(most, wanted)));
    }
  }

  // Whether both fingers are held back by what the closing force takes.
  bool Pressing() const {
    const double lead = closing / stiffness;
    return left->Position() - target >= lead && right->Position() - target >= lead;
  }

  void After() {
    const double now = Now();
    const auto touched = Contacts(now);
    Grip(touched);
    --left_steps;
    ++since;
    if (since == stride || left_steps == 0) {
      since = 0;
      answer << "state " << now;
      for (const auto &name : order) answer << ' ' << drives.at(name).Position() << ' ' << drives.at(name).effort;
      answer << "\nlinks";
      for (const auto &link : watched) Tell(link->WorldPose());
      if (held) Tell(held->WorldPose());
      answer << '\n';
    }
    if (left_steps == 0) Finish();
  }

  void Tell(const ignition::math::Pose3d &pose) {
    const auto &at = pose.Pos();
    const auto &turn = pose.Rot();
    answer << ' ' << at.X() << ' ' << at.Y() << ' ' << at.Z() << ' ' << turn.W() << ' ' << turn.X()
           << ' ' << turn.Y() << ' ' << turn.Z();
  }

  void Finish() {
    std::map<std::pair<std::string, std::string>, Touch> named;
    for (const auto &row : touches) {
      const std::string one = row.first.first->GetScopedName(), other = row.first.second->GetScopedName();
      named.emplace(std::pair<std::string, std::string>(std::minmax(one, other)), row.second);
    }
    touches.clear();
    for (const auto &row : named) {
      const Touch &touch = row.second;
      answer << "contact " << row.first.first << ' ' << row.first.second << ' ' << touch.first << ' '
             << touch.last << ' ' << touch.force << ' ' << touch.depth << '\n';
    }
    answer << "grip " << pressed << ' ' << (held ? held->GetModel()->GetName() : "-") << '\n';
    Done();
  }

  // What presses each link of this step, and by what force; the pairs are kept for the answer.
  std::map<std::pair<LinkPtr, LinkPtr>, double> Contacts(double now) {
    std::map<std::pair<LinkPtr, LinkPtr>, double> touched;
    auto *manager = world->Physics()->GetContactManager();
    for (unsigned int index = 0; index < manager->GetContactCount(); ++index) {
      const auto *contact = manager->GetContact(index);
      double force = 0.0, depth = 0.0;
      for (int point = 0; point < contact->count; ++point) {
        force += std::abs(contact->wrench[point].body1Force.Dot(contact->normals[point]));
        depth = std::max(depth, contact->depths[point]);
      }
      gazebo::physics::Collision *const a = contact->collision1, *const b = contact->collision2;
      // Which comes first is the engine's, and may change; names are made up once, at the end.
      auto &touch = touches.emplace(std::minmax(a, b), Touch{now, now, 0.0, 0.0}).first->second;
      touch.last = now;
      touch.force = std::max(touch.force, force);
      touch.depth = std::max(touch.depth, depth);
      touched[{a->GetLink(), b->GetLink()}] += force;
      touched[{b->GetLink(), a->GetLink()}] += force;
    }
    return touched;
  }

  // A body that both fingers press is joined to the hand, and let go when they open, or when it
  // is pulled by more than their friction holds.
  void Grip(const std::map<std::pair<LinkPtr, LinkPtr>, double> &touched) {
    const LinkPtr one = left->joint->GetChild(), other = right->joint->GetChild();
    pressed = 0.0;
    for (const auto &row : touched)
      if (row.first.first == one) pressed += row.second;
    if (joined) pressed = closing;
    if (joined && (closing == 0.0 || Pull() > 2.0 * slip * closing)) Release();
    if (joined || closing == 0.0 || !Pressing()) return;
    for (const auto &row : touched) {
      const LinkPtr body = row.first.second;
      if (row.first.first != one || body->GetModel()->IsStatic()) continue;
      const auto pair = touched.find({other, body});
      if (pair == touched.end() || row.second == 0.0 || pair->second == 0.0) continue;
      joined = world->Physics()->CreateJoint("fixed", holder->GetModel());
      joined->SetName("grip");
      joined->Attach(holder, body);
      joined->Load(holder, body, ignition::math::Pose3d::Zero);
      joined->SetModel(holder->GetModel());
      joined->Init();
      joined->SetProvideFeedback(true);
      Meet(one, body, false);
      held = body;
      pressed = closing;
      target = 0.5 * (left->Position() + right->Position());
      return;
    }
  }

  // Gazebo's own removal waits for its transport. Out of sight is enough: far below the floor.
  void Take(const ModelPtr &model) {
    if (held && held->GetModel() == model) Release();
    for (const auto &link : model->GetLinks()) {
      link->SetCollideMode("none");
      link->SetGravityMode(false);
    }
    auto pose = model->WorldPose();
    pose.Pos().Z() -= depth;
    model->SetWorldPose(pose);
    model->ResetPhysicsStates();
  }

  void Put(const ModelPtr &model, const ignition::math::Pose3d &pose) {
    if (held && held->GetModel() == model) Release();
    for (const auto &link : model->GetLinks()) {
      link->SetCollideMode("all");
      link->SetGravityMode(true);
    }
    model->SetWorldPose(pose);
    model->ResetPhysicsStates();
  }

  void Release() {
    Meet(left->joint->GetChild(), held, true);
    joined->Detach();
    joined.reset();
    held.reset();
    pressed = 0.0;
  }

  // Whether fingers and a body touch. What the joint holds they must not press as well: the solver
  // finds no forces for both, and in the end arm and body fly apart.
  void Meet(const LinkPtr &finger, const LinkPtr &body, bool touch) {
    const auto bits = finger->GetCollision(0u)->GetSurface()->collideBitmask;
    for (const auto &collision : body->GetCollisions()) {
      auto &own = collision->GetSurface()->collideBitmask;
      own = touch ? own | bits : own & ~bits;
    }
  }

  double Pull() const { return joined->GetForceTorque(0).body2Force.Length(); }

  void Obey(const std::string &line) {
    std::istringstream words(line);
    words.imbue(std::locale::classic());
    std::string verb;
    words >> verb;
    if (verb == "run") {
      words >> left_steps >> stride;
      since = 0;
      if (!words || left_steps <= 0 || stride <= 0) Refuse(line);
    } else if (verb == "follow") {
      Follow(words, line);
    } else if (verb == "grip") {
      words >> closing;
      if (!words || closing < 0.0) return Refuse(line);
      Done();
    } else if (verb == "pose") {
      std::string name;
      words >> name;
      const ModelPtr model = Model(name);
      if (!model) return Refuse(line);
      answer << "pose";
      Tell(model->WorldPose());
      answer << '\n';
      Done();
    } else if (verb == "take") {
      std::string name;
      words >> name;
      const ModelPtr model = Model(name);
      if (!model || model->IsStatic()) return Refuse(line);
      Take(model);
      Done();
    } else if (verb == "put") {
      std::string name;
      double x = 0.0, y = 0.0, z = 0.0, qw = 0.0, qx = 0.0, qy = 0.0, qz = 0.0;
      words >> name >> x >> y >> z >> qw >> qx >> qy >> qz;
      const ModelPtr model = Model(name);
      if (!words || !model || model->IsStatic()) return Refuse(line);
      Put(model, {x, y, z, qw, qx, qy, qz});
      Done();
    } else {
      Refuse(line);
    }
  }

  void Follow(std::istringstream &words, const std::string &line) {
    std::size_t joints = 0, rows = 0;
    words >> joints;
    std::vector<Drive *> driven;
    for (std::size_t index = 0; words && index < joints; ++index) {
      std::string name;
      words >> name;
      const auto place = drives.find(name);
      if (place == drives.end()) return Refuse(line);
      driven.push_back(&place->second);
    }
    double start = 0.0;
    words >> start >> rows;
    std::vector<std::vector<Point>> paths(driven.size());
    for (std::size_t row = 0; words && row < rows; ++row) {
      double time = 0.0;
      words >> time;
      for (auto &path : paths) {
        Point point{start + time, 0.0, 0.0, 0.0};
        words >> point.position >> point.velocity >> point.effort;
        path.push_back(point);
      }
    }
    if (!words || rows == 0 || driven.empty()) return Refuse(line);
    for (std::size_t index = 0; index < driven.size(); ++index) driven[index]->path = paths[index];
    Done();
  }

  void Refuse(const std::string &line) {
    answer << "error not understood: " << line.substr(0, 80) << '\n';
    left_steps = 0;
    Done();
  }

  void Done() {
    answer << "end\n";
    Send(answer.str());
    answer.str("");
  }

  void Send(const std::string &text) {
    for (std::size_t sent = 0; sent < text.size();) {
      const auto count = ::send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) std::_Exit(0);
      sent += static_cast<std::size_t>(count);
    }
  }

  // The next command; the process ends with its other side, or where it is told to stop.
  std::string Line() {
    for (;;) {
      const auto at = received.find('\n');
      if (at != std::string::npos) {
        const std::string line = received.substr(0, at);
        received.erase(0, at + 1);
        return line;
      }
      char chunk[65536];
      const auto count = ::recv(socket, chunk, sizeof chunk, 0);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) std::_Exit(0);
      received.append(chunk, static_cast<std::size_t>(count));
    }
  }

  struct Numbers : std::ostringstream {
    Numbers() {
      imbue(std::locale::classic());
      precision(std::numeric_limits<double>::max_digits10);
    }
  };

  gazebo::physics::WorldPtr world;
  sdf::ElementPtr sdf;
  int socket = -1;
  std::map<std::string, Drive> drives;
  std::vector<std::string> order;
  std::vector<LinkPtr> watched;
  Drive *left = nullptr, *right = nullptr;
  LinkPtr holder, held;
  JointPtr joined;
  double slip = 0.0, stiffness = 0.0, damping = 0.0, speed = 0.0;
  static constexpr double depth = 10.0;
  double opened = 0.0, target = 0.0, closing = 0.0, pressed = 0.0;
  long left_steps = 0, stride = 1, since = 0;
  std::map<std::pair<gazebo::physics::Collision *, gazebo::physics::Collision *>, Touch> touches;
  std::string received;
  Numbers answer;
  gazebo::event::ConnectionPtr before, after;
};

}  // namespace medicell

namespace gazebo {
using medicell::LockStep;
GZ_REGISTER_WORLD_PLUGIN(LockStep)
}  // namespace gazebo
